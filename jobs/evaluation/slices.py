"""Figures by the values of columns, and which of them are worst."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.config import nearest
from jobs.evaluation.bootstrap import Bools
from pipeline.errors import UsageError
from schemas.evaluation import Figure, Slice, Slices, WorstSlice

MIN_ROWS = 30
"""A smaller slice's figures are mostly chance."""
_MAX_SLICES = 50

FiguresOf = Callable[[Bools], dict[str, Figure]]
"""The figures of some rows of the table."""


def slice_by(
    results: pa.Table, gold: pa.Table, by: Sequence[str], figures_of: FiguresOf, overall: Mapping[str, Figure]
) -> Slices:
    """The figures for each combination of values that occurs, the largest first; at most 50.

    Raises:
        UsageError: if there is no such column.
    """
    columns = [_column(results, gold, name) for name in by]
    rows: dict[tuple[str, ...], list[int]] = {}
    for i, values in enumerate(zip(*columns, strict=True)):
        rows.setdefault(tuple("null" if value is None else str(value) for value in values), []).append(i)
    ordered = sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))
    slices = []
    for values, numbers in ordered[:_MAX_SLICES]:
        mask = np.zeros(results.num_rows, np.bool_)
        mask[numbers] = True
        where = dict(zip(by, values, strict=True))
        slices.append(Slice(where=where, rows=len(numbers), figures=figures_of(mask)))
    left_out = max(0, len(ordered) - _MAX_SLICES)
    return Slices(by=list(by), min_rows=MIN_ROWS, slices=slices, worst=_worst(slices, overall), left_out=left_out)


def _column(results: pa.Table, gold: pa.Table, name: str) -> list[Any]:
    for table in (results, gold):
        if name in table.column_names:
            values: list[Any] = table[name].to_pylist()
            return values
    known = dict.fromkeys((*results.column_names, *gold.column_names))
    raise UsageError(f"there is no column {name!r} to make slices by", nearest(name, known))


def _worst(slices: Sequence[Slice], overall: Mapping[str, Figure]) -> list[WorstSlice]:
    found = []
    for name, figure in overall.items():
        known = [(one.figures[name].value, one) for one in slices if one.rows >= MIN_ROWS and name in one.figures]
        if figure.higher_is_better is None or len(known) < 2:
            continue
        pick = min if figure.higher_is_better else max
        value, one = pick(known, key=lambda pair: pair[0])
        found.append(WorstSlice(figure=name, where=one.where, value=value, overall=figure.value))
    return found
