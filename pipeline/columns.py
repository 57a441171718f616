"""Which column is which: by name where nothing is said, and what counts as text."""

from collections.abc import Sequence

import pyarrow as pa

from pipeline.errors import UsageError

TEXT_NAMES = ("text", "review", "review_text", "body", "comment", "content", "message", "feedback", "description")
ID_NAMES = ("id", "row_id", "uuid", "key", "review_id", "ticket_id", "message_id", "comment_id", "response_id")


def choose_column(schema: pa.Schema, given: str | None, names: Sequence[str], what: str) -> str | None:
    """The column to use: the one given, or a guess by name; None if there is no good guess.

    Raises:
        UsageError: if the column given does not exist.
    """
    if given is not None:
        if given not in schema.names:
            raise UsageError(f"no column {given!r} for the {what}", f"the input has: {describe_columns(schema)}")
        return given
    by_lower = {name.lower(): name for name in reversed(schema.names)}
    return next((by_lower[name] for name in names if name in by_lower), None)


def choose_text_column(schema: pa.Schema, given: str | None, field_name: str) -> str:
    """The column of text: the one given, one of a usual name, or the only one that holds strings.

    Raises:
        UsageError: if there is no good guess, or it holds no text.
    """
    name = choose_column(schema, given, (field_name, *TEXT_NAMES), field_name)
    if name is None:
        texts = [f.name for f in schema if is_text(f.type) and f.name.lower() not in ID_NAMES]
        if len(texts) != 1:
            hint = f"name it with --{field_name} COLUMN; the input has: {describe_columns(schema)}"
            raise UsageError(f"cannot guess which column holds the {field_name}", hint)
        (name,) = texts
    if not is_text(schema.field(name).type):
        hint = f"the input has: {describe_columns(schema)}"
        raise UsageError(f"column {name!r} holds {schema.field(name).type}, not text", hint)
    return name


def choose_id_column(schema: pa.Schema, given: str | None) -> str | None:
    """The column of ids: the one given or one of a usual name with strings or integers; None: ids are made."""
    name = choose_column(schema, given, ID_NAMES, "id")
    if name is not None and given is None:
        kind = schema.field(name).type
        return name if is_text(kind) or pa.types.is_integer(kind) else None
    return name


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text: strings in any of Arrow's layouts, or bytes that may be UTF-8."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    binaries = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(check(kind) for check in (*checks, *binaries)) or pa.types.is_null(kind)


def describe_columns(schema: pa.Schema, most: int = 20) -> str:
    """The columns and their types on one line."""
    listed = ", ".join(f"{f.name} ({f.type})" for f in list(schema)[:most])
    return listed + (f" and {len(schema) - most} more" if len(schema) > most else "")


def as_binary(array: pa.Array) -> pa.Array:
    """A text column of any layout as bytes: nothing is decoded, so nothing can be invalid."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pa.large_binary())
