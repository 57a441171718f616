"""How well a run agrees with people."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.errors import UsageError
from pipeline.layout import RESULTS
from schemas.envelope import STATUS_COLUMN, Status

POLAR_RATING = 0.5
"""A mean rating this far from 0 (on -4 … 4) is one that people do not call neutral."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of the score with a human rating.

    Attributes:
        rows: rows compared: those with a result and a rating.
        pearson_r: correlation of score and rating.
        interval: its 95 % confidence interval (Fisher's z).
        polar_rows: rows that people do not call neutral.
        polarity: share of them whose score has the rating's sign.
    """

    rows: int
    pearson_r: float
    interval: tuple[float, float]
    polar_rows: int
    polarity: float


def agreement(output: Path, rating: str) -> Agreement:
    """Compare a sentiment run's scores with the ratings in a passthrough column.

    Raises:
        UsageError: if the output is none of ours, lacks a column, or has too few rows to compare.
    """
    if not (output / RESULTS).is_dir():
        raise UsageError(f"{output} is not the output of a run")
    table = ds.dataset(output / RESULTS).to_table()
    for name in ("score", rating):
        if name not in table.column_names or not pa.types.is_floating(table.schema.field(name).type):
            raise UsageError(f"{output} has no column {name!r} of numbers")
    valid = pc.and_(pc.equal(table[STATUS_COLUMN], Status.OK), pc.is_valid(table[rating]))
    table = table.filter(valid)
    if table.num_rows < 4:
        raise UsageError(f"{output} has {table.num_rows} rows to compare, which is too few")
    score, human = table["score"].to_numpy(), table[rating].to_numpy()
    r = float(np.corrcoef(score, human)[0, 1])
    spread = 1.96 / np.sqrt(len(score) - 3)
    low, high = (float(np.tanh(np.arctanh(r) + d)) for d in (-spread, spread))
    polar = np.abs(human) >= POLAR_RATING
    same = float(np.mean(np.sign(score[polar]) == np.sign(human[polar]))) if polar.any() else float("nan")
    return Agreement(len(score), r, (low, high), int(polar.sum()), same)
