"""Rows in: the values that a task reads, of each row of a part.

Only the columns a task reads travel through the pipeline; the others are copied from input to output part by part
(`pipeline.outputs`), so they keep their types and cost no Python objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import lifetime
from pipeline.columns import as_binary, is_text
from pipeline.elements import Row, RowRef, Undecodable, in_blocks
from pipeline.errors import RunError
from pipeline.parts import Part, pack, read_batches, unpack


class ReadRows(beam.PTransform[Any, Any]):
    """Read the rows of the parts, in blocks: only the columns that the task's record needs.

    Args:
        parts: what to read.
        columns: record field → input column.
        partition: the column that says which partition a row belongs to.
    """

    def __init__(self, parts: Sequence[Part], columns: Mapping[str, str], partition: str | None = None) -> None:
        super().__init__()
        self._parts = parts
        self._columns, self._partition = columns, partition

    def expand(self, pbegin: beam.pvalue.PBegin) -> Any:
        return (
            pbegin
            | beam.Create([pack(self._parts)])
            | "Unpack" >> beam.FlatMap(unpack)
            | beam.Reshuffle()
            | "Read"
            >> beam.FlatMap(lambda part, *columns: in_blocks(read_rows(part, *columns)), self._columns, self._partition)
        )


def read_rows(part: Part, columns: Mapping[str, str], partition: str | None = None) -> Iterator[Row]:
    """The selected rows of one part. Texts come as bytes, for one row's wrong UTF-8 would spoil a whole column."""
    wanted = None if part.selected is None else set(part.selected)
    try:
        for start, _, _, batch in read_batches(part, [*columns.values(), *([partition] if partition else [])]):
            lifetime.check_stop()
            values = {field: _plain_values(batch, column) for field, column in columns.items()}
            partitions = partition_values(batch, partition) if partition else [None] * batch.num_rows
            for i in range(batch.num_rows):
                if wanted is None or start + i in wanted:
                    found = {field: column[i] for field, column in values.items()}
                    yield Row(RowRef(part.index, start + i), found, partitions[i])
    except RunError as error:
        raise lifetime.fail(error) from None


def partition_values(batch: pa.RecordBatch, column: str) -> list[str | None]:
    """Which partition each row of a batch belongs to, as text."""
    values = _plain_values(batch, column)
    return [v.decode(errors="replace") if isinstance(v, bytes) else None if v is None else str(v) for v in values]


def _plain_values(batch: pa.RecordBatch, column: str) -> list[Any]:
    """A column as Python values: texts as bytes, missing columns as nulls, anything else as pyarrow has it.

    A nested value with a text that is not UTF-8 is `Undecodable`.
    """
    if column not in batch.schema.names:
        return [None] * batch.num_rows
    array = batch.column(column)
    if is_text(array.type):
        return list(as_binary(array).to_pylist())
    try:
        return list(array.to_pylist())
    except UnicodeDecodeError:
        return [_plain_value(array[i]) for i in range(len(array))]


def _plain_value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return Undecodable(f"{error.reason} at byte {error.start}")


def longest_text_bytes(parts: Sequence[Part], columns: Sequence[str]) -> int:
    """The most bytes of text that any row of the parts has in these columns together; what a prompt may need."""
    longest = 0
    for part in parts:
        for _, _, _, batch in read_batches(part, columns):
            total = pa.array([0] * batch.num_rows, pa.int64())
            for column in set(columns) & set(batch.schema.names):
                if is_text(batch.schema.field(column).type):
                    lengths = pc.fill_null(pc.binary_length(as_binary(batch.column(column))), 0)
                    total = pc.add(total, lengths.cast(pa.int64()))
            longest = max(longest, pc.max(total).as_py() or 0)
    return longest
