"""The answer columns of runs, by kind; and their values as codes of bins, so that runs can be compared."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MAX_VALUES = 40
"""A column with more different values is not one of categories."""
_REPEATS = 4
NUM_BINS = 10
UNKNOWN = -1

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


class Kind(StrEnum):
    """How the values of a column are counted."""

    CATEGORY = "by value"
    NUMBER = "by tenth"
    LENGTH = "by length"


@dataclass(frozen=True)
class Binned:
    """The values of several runs in common bins.

    Attributes:
        bins: their names.
        codes: for each run, each row's bin; `UNKNOWN` where there is no value.
    """

    bins: tuple[str, ...]
    codes: tuple[Codes, ...]


def kind_of(columns: Sequence[pa.ChunkedArray], choices: frozenset[str]) -> Kind | None:
    """The kind of one column of several runs; None if its values are not to be compared.

    Args:
        choices: what the model could choose among: a column of such values has categories, however few rows there are.
    """
    kind = columns[0].type
    if any(column.type != kind for column in columns):
        return None
    if pa.types.is_boolean(kind):
        return Kind.CATEGORY
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return Kind.NUMBER
    if not (_is_list(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    num_rows = sum(len(column) - column.null_count for column in columns)
    return Kind.CATEGORY if has_categories(_distinct(columns), num_rows, choices) else Kind.LENGTH


def has_categories(values: Collection[str], num_rows: int, choices: frozenset[str]) -> bool:
    """Whether these different values, of so many rows, are categories: few that come again, or what was to choose."""
    return bool(values) and (len(values) <= min(MAX_VALUES, num_rows // _REPEATS) or choices.issuperset(values))


def _distinct(columns: Sequence[pa.ChunkedArray]) -> list[str]:
    """The different values, or some of them if they are too many for categories."""
    found: set[str] = set()
    for chunk in (chunk for column in columns for chunk in column.chunks):
        values = pc.drop_null(pc.unique(_text_of(chunk)))
        found.update(values.slice(0, 100 * MAX_VALUES).to_pylist())
        if len(found) >= 100 * MAX_VALUES:
            break
    return sorted(found)


def binned(columns: Sequence[pa.ChunkedArray], kind: Kind) -> Binned:
    """The values of a column of several runs, in bins that are made from all of them alike."""
    if kind is Kind.CATEGORY:
        columns = [as_text(column) for column in columns]
        values = _distinct(columns)
        coded = [pc.fill_null(pc.index_in(column, pa.array(values, pa.string())), UNKNOWN) for column in columns]
        return Binned(tuple(values), tuple(codes.to_numpy().astype(np.int64) for codes in coded))
    return _by_quantile([numbers(column, kind) for column in columns])


def numbers(column: pa.ChunkedArray, kind: Kind) -> Numbers:
    """The values of a column of numbers, or the lengths of its texts and lists; NaN where there is none."""
    if kind is Kind.LENGTH:
        column = pc.list_value_length(column) if _is_list(column.type) else pc.utf8_length(column)
    found: Numbers = pc.fill_null(pc.cast(column, pa.float64()), np.nan).to_numpy()
    return found


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text, so that they can be told apart: lists as canonical JSON; null stays null."""
    return pa.chunked_array([_text_of(chunk) for chunk in column.chunks], pa.string())


def _text_of(chunk: pa.Array) -> pa.Array:
    if not _is_list(chunk.type):
        return pc.cast(chunk, pa.string())
    told = [value if value is None else _canonical(value) for value in chunk.to_pylist()]
    return pa.array(told, pa.string())


def _canonical(value: list[Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _by_quantile(runs: Sequence[Numbers]) -> Binned:
    known = np.concatenate(runs)
    known = known[~np.isnan(known)]
    if not len(known):
        return Binned((), tuple(np.full(len(run), UNKNOWN) for run in runs))
    inner = np.quantile(known, np.linspace(0, 1, NUM_BINS + 1)[1:-1], method="closest_observation")
    edges = np.unique(inner[inner < known.max()])
    codes = tuple(np.where(np.isnan(run), UNKNOWN, np.searchsorted(edges, run)) for run in runs)
    names = [f"≤ {edge:.3g}" for edge in edges] + [f"> {edges[-1]:.3g}" if len(edges) else f"{known[0]:.3g}"]
    return Binned(tuple(names), codes)
