"""Parquet files of ours, row by row: written with sizeable row groups, some rows read, some replaced."""

import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from pipeline.survey import open_parquet
from pipeline.whole_files import copy_whole

_GROUP_ROWS = 65_536
_GROUP_BYTES = 128 << 20


def take(array: pa.Array, indices: Sequence[int]) -> pa.Array:
    """The elements at these indices, of an array of any type: pyarrow's `take` does not know all (views, say)."""
    try:
        return array.take(pa.array(indices, pa.int64()))
    except pa.ArrowNotImplementedError:
        return pa.concat_arrays([array.slice(i, 1) for i in indices] or [array.slice(0, 0)])


class PartWriter:
    """A Parquet file with sizeable row groups, which appears with its first rows.

    On a filesystem of Beam's it appears whole, when it is complete; it is written on this machine and copied there.

    Args:
        even_if_empty: it appears without rows, too.
    """

    def __init__(self, path: str, schema: pa.Schema, even_if_empty: bool = False) -> None:
        self._path, self._schema, self._even_if_empty = path, schema, even_if_empty
        self._scratch = tempfile.TemporaryDirectory(prefix="textmill-part-") if "://" in path else None
        self._written = path if self._scratch is None else str(Path(self._scratch.name) / "part")
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.RecordBatch] = []

    def __enter__(self) -> "PartWriter":
        if self._scratch is None:
            Path(self._path).unlink(missing_ok=True)  # an earlier try may have had rows for it
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()
        if self._scratch is not None:
            with self._scratch:
                if kind is None:
                    self._put_in_place()

    def _put_in_place(self) -> None:
        """Copy what was written to its place; nothing stays there of an earlier try that had rows, if this has none."""
        if self._writer is not None:
            with Path(self._written).open("rb") as written:
                copy_whole(written, self._path)
        elif FileSystems.exists(self._path):
            FileSystems.delete([self._path])

    def write(self, arrays: Sequence[pa.Array]) -> None:
        """Add some rows, given as the schema's columns."""
        self._pending.append(pa.RecordBatch.from_arrays(list(arrays), schema=self._schema))
        rows, size = sum(b.num_rows for b in self._pending), sum(b.nbytes for b in self._pending)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._pending, self._schema).unify_dictionaries()
        self._pending = []
        if table.num_rows or self._even_if_empty:
            self._writer = self._writer or pq.ParquetWriter(self._written, self._schema, compression="zstd")
            self._writer.write_table(table)


def batches(file: Path | str, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a file, in batches, each with the number of its first row."""
    start = 0
    with open_parquet(str(file)) as parquet:
        for batch in parquet.iter_batches(columns=columns):
            yield start, batch
            start += batch.num_rows


def rows_at(file: Path, numbers: Sequence[int], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Some rows of a file, by their ascending numbers."""
    for start, batch in batches(file, columns):
        first, last = (bisect_left(numbers, n) for n in (start, start + batch.num_rows))
        if first < last:
            yield take_rows(batch, [n - start for n in numbers[first:last]])


def replace_rows(file: Path, numbers: Sequence[int], fresh: pa.Table) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a file; those of these ascending numbers have the columns of `fresh`, a row of it each."""
    for start, batch in batches(file):
        first, last = (bisect_left(numbers, n) for n in (start, start + batch.num_rows))
        order = list(range(batch.num_rows))
        for i, number in enumerate(numbers[first:last]):
            order[number - start] = batch.num_rows + i
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in fresh.column_names if first < last else ():
            both = pa.concat_arrays([columns[name], *fresh[name].slice(first, last - first).chunks])
            columns[name] = take(both, order)
        yield start, pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)


def take_rows(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    """Some rows of a batch, of columns of any type."""
    return pa.RecordBatch.from_arrays([take(column, rows) for column in batch.columns], schema=batch.schema)


def values_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch as dicts, whatever is in them.

    A column that is not UTF-8 throughout has bytes instead of texts; one with times that Python does not have has their
    texts; what is neither, nulls.
    """
    columns = {name: _values(array) for name, array in zip(batch.schema.names, batch.columns, strict=True)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(array: pa.Array) -> list[Any]:
    try:
        return list(array.to_pylist())
    except (ValueError, OverflowError):
        kind = pa.binary() if is_string(array.type) else pa.string()
    try:
        return list(array.cast(kind).to_pylist())
    except (pa.ArrowException, ValueError):
        return [None] * len(array)


def is_string(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's types of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
