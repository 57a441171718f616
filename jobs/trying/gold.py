"""What the answers of a trial are held against: looked at before the first cell is paid for."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from jobs.config import JobConfig
from jobs.evaluation.gold import GOLD_PREFIX, columns_by_role, read_gold, refuse_join
from jobs.evaluation.opinions import numbers_of, scale_of
from jobs.evaluation.settings import EvaluationSettings
from jobs.tasks import find_task
from pipeline.errors import UsageError, first_line
from pipeline.survey import READ_ERRORS, InputFile, Survey, open_parquet
from schemas.envelope import ID_COLUMN


def find_gold(settings: EvaluationSettings, config: JobConfig, found: Survey) -> EvaluationSettings | None:
    """How to evaluate each cell alike, on the scale of all ratings; None if there is no gold.

    Raises:
        UsageError: if the gold cannot be read or joined, has no such column, or its ratings do not tell their scale.
    """
    names = found.schema.names
    if settings.gold is None:
        roles = columns_by_role(names, settings, "the input has")
        if not roles and not any(name.startswith(GOLD_PREFIX) for name in names):
            return None
        gold = None
    else:
        gold = read_gold(settings.gold)
        roles = columns_by_role(gold.column_names, settings, "the gold has")
        refuse_join(settings.on, {"the input has": [*names, ID_COLUMN], "the gold has": gold.column_names})
    if "rating" not in roles or "score" not in find_task(config.task).result.model_fields:
        return settings
    column = roles["rating"]
    ratings = _column(found.files, column, found.schema.field(column).type) if gold is None else gold[column]
    scale = scale_of(numbers_of(ratings, column), settings)
    return replace(settings, scale=(scale.low, scale.high))


def _column(files: Sequence[InputFile], name: str, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of all files; those without it have nothing to say."""
    chunks: list[pa.Array] = []
    for file in files:
        try:
            with open_parquet(file.path) as parquet:
                if name in parquet.schema_arrow.names:
                    chunks += parquet.read([name]).column(0).cast(kind).chunks
        except READ_ERRORS as error:
            raise UsageError(f"cannot read {file.path}: {first_line(error)}") from None
    return pa.chunked_array(chunks, kind)
