"""What a configuration says about personal data, held against the input."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from jobs.config import JobConfig, nearest
from pipeline.columns import describe_columns, is_text
from pipeline.errors import UsageError
from pipeline.redaction import Redaction
from pipeline.text.personal import ALL_KINDS, Finder, Kind

_WITH_REDACT = ("redact_kinds", "redact_regions", "redact_columns", "empty_columns", "restore")
REDACTION_KEYS = ("redact", *_WITH_REDACT)


def redaction_of(
    config: JobConfig, columns: Mapping[str, str], schema: pa.Schema, id_column: str | None
) -> Redaction | None:
    """What is kept out of the run; None if it was not asked for.

    Args:
        columns: record field → column.

    Raises:
        UsageError: for an unknown kind, region or column, or one that cannot be searched.
    """
    if not config.redact:
        for key in _WITH_REDACT:
            if getattr(config, key):
                raise UsageError(f"{key} is given, but nothing is redacted", "give --redact, too")
        return None
    kinds = _kinds(config)
    fields = tuple(dict.fromkeys(columns.values()))
    others = tuple(name for name in dict.fromkeys(config.redact_columns) if name not in fields)
    _refuse_columns(config, others, fields, schema, id_column)
    finder = Finder(kinds, _regions(config))
    return Redaction(finder, fields, others, tuple(dict.fromkeys(config.empty_columns)), config.restore)


def row_redaction(config: JobConfig, columns: Mapping[str, str]) -> Redaction | None:
    """What was kept out of what the task read; None if nothing was."""
    read = config.model_copy(update={"redact_columns": (), "empty_columns": ()})
    return redaction_of(read, columns, pa.schema([]), None)


def _refuse_columns(
    config: JobConfig, others: Sequence[str], fields: Sequence[str], schema: pa.Schema, id_column: str | None
) -> None:
    for name in (*others, *config.empty_columns):
        if name not in schema.names:
            raise UsageError(f"no column {name!r} to redact", f"the input has: {describe_columns(schema)}")
        if name == id_column or (name in fields and name in config.empty_columns):
            what = "holds the ids" if name == id_column else "is read by the task"
            raise UsageError(f"column {name!r} {what}: it cannot be {'emptied' if name in fields else 'redacted'}")
    for name in (*others, *(name for name in fields if name in schema.names)):
        if _has_nanoseconds(schema.field(name).type):
            kind_of_column = schema.field(name).type
            raise UsageError(f"column {name!r} holds {kind_of_column}, which cannot be searched", "cast it first")
    for name in others:
        if not _has_text(schema.field(name).type):
            kind_of_column = schema.field(name).type
            raise UsageError(f"column {name!r} holds {kind_of_column}, not text", "--empty-column takes any column")


def _kinds(config: JobConfig) -> tuple[Kind, ...]:
    for kind in config.redact_kinds:
        if kind not in ALL_KINDS:
            raise UsageError(f"{kind!r} is no kind of personal data", nearest(kind, dict.fromkeys(ALL_KINDS)))
    return tuple(kind for kind in ALL_KINDS if not config.redact_kinds or kind in config.redact_kinds)


def _regions(config: JobConfig) -> tuple[str, ...]:
    if not config.redact_regions:
        return ()
    from phonenumbers import SUPPORTED_REGIONS

    regions = tuple(dict.fromkeys(region.upper() for region in config.redact_regions))
    for region in regions:
        if region not in SUPPORTED_REGIONS:
            raise UsageError(f"{region!r} is no country of phone numbers", "give ISO 3166 codes, as ES or DE")
    return regions


def _has_text(kind: pa.DataType) -> bool:
    """Whether there is text in a column of this type, at any depth."""
    return is_text(kind) or any(map(_has_text, _parts(kind)))


def _has_nanoseconds(kind: pa.DataType) -> bool:
    """Whether Python would lose some of what a column of this type holds."""
    return getattr(kind, "unit", None) == "ns" or any(map(_has_nanoseconds, _parts(kind)))


def _parts(kind: pa.DataType) -> list[pa.DataType]:
    return [kind.field(i).type for i in range(kind.num_fields)] if pa.types.is_nested(kind) else []
