"""Which rows of two runs are the same: by id, and by what tells the results of a row apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.run_output import RunOutput
from schemas.envelope import ID_COLUMN

APART = ("target_language", "variant")
"""Columns that tell a row's results apart. Those of other tasks are told apart by their order."""
_BORDER = "\x1f"

RowNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairing:
    """The rows that two runs have in common.

    Attributes:
        rows_a, rows_b: their numbers in either run, pair by pair, in A's order.
        only_a, only_b: how many rows only one of them has.
    """

    rows_a: RowNumbers
    rows_b: RowNumbers
    only_a: int
    only_b: int


def pair_up(a: RunOutput, b: RunOutput) -> Pairing:
    """Find the common rows of two runs. An id that occurs several times is paired in order."""
    apart = [name for name in APART if name in a.schema and name in b.schema]
    keys = [_keys(run, apart) for run in (a, b)]
    return pair_keys(*keys)


def _keys(run: RunOutput, apart: Sequence[str]) -> pa.ChunkedArray:
    columns = [pc.cast(run.column(name), pa.large_string()) for name in (ID_COLUMN, *apart)]
    border = pa.scalar(_BORDER, pa.large_string())
    return pc.binary_join_element_wise(*columns, border, null_handling="replace", null_replacement="\x00")


def pair_keys(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Pairing:
    """The same of two columns of keys."""
    codes = pa.chunked_array([*a.chunks, *b.chunks], a.type).combine_chunks().dictionary_encode().indices
    numbered = codes.to_numpy().astype(np.int64)
    times = [_occurrences(part) for part in (numbered[: len(a)], numbered[len(a) :])]
    most = 1 + max((int(part.max()) for part in times if len(part)), default=0)
    unique_a, unique_b = numbered[: len(a)] * most + times[0], numbered[len(a) :] * most + times[1]
    _, rows_a, rows_b = np.intersect1d(unique_a, unique_b, assume_unique=True, return_indices=True)
    order = np.argsort(rows_a)
    return Pairing(rows_a[order], rows_b[order], len(a) - len(rows_a), len(b) - len(rows_b))


def _occurrences(codes: RowNumbers) -> RowNumbers:
    """For each code, how often it occurred before."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else np.zeros(0, np.int64)
    runs = np.diff(np.r_[starts, len(codes)])
    times = np.empty(len(codes), np.int64)
    times[order] = np.arange(len(codes)) - np.repeat(starts, runs)
    return times
