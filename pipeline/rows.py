"""Rows in: the values that a task reads, of each row of a part.

Only the columns a task reads travel through the pipeline; the others are copied from input to output part by part
(`pipeline.outputs`), so they keep their types and cost no Python objects.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import lifetime, metrics
from pipeline.columns import as_binary, is_text
from pipeline.elements import Block, Row, RowRef, in_blocks
from pipeline.errors import RunError
from pipeline.parts import Part, pack, read_batches, unpack
from pipeline.redaction import Redaction
from pipeline.text_values import plain_values


class ReadRows(beam.PTransform[Any, Any]):
    """Read the rows of the parts, in blocks: only the columns that the task's record needs.

    Args:
        parts: what to read.
        columns: record field → input column.
        partition: the column that says which partition a row belongs to.
        redaction: what is kept out of them.
        are_spread: several processes share the parts.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        columns: Mapping[str, str],
        partition: str | None = None,
        redaction: Redaction | None = None,
        are_spread: bool = False,
    ) -> None:
        super().__init__()
        self._packed, self._are_spread = pack(parts), are_spread
        self._columns, self._partition, self._redaction = columns, partition, redaction

    def expand(self, pbegin: beam.pvalue.PBegin) -> Any:
        parts = pbegin | beam.Impulse() | "Unpack" >> beam.FlatMap(_parts_of, self._packed)
        if self._are_spread:
            parts |= beam.Reshuffle()
        return parts | "Read" >> beam.FlatMap(_read_blocks, self._columns, self._partition, self._redaction)


def _parts_of(_: bytes, packed: bytes) -> tuple[Part, ...]:
    return unpack(packed)


def _read_blocks(
    part: Part, columns: Mapping[str, str], partition: str | None, redaction: Redaction | None
) -> Iterator[Block[Row]]:
    hidden: Counter[str] = Counter()
    for block in in_blocks(read_rows(part, columns, partition, redaction, hidden)):
        for kind, number in hidden.items():
            metrics.count(metrics.redacted(kind), number)
        hidden.clear()
        yield block


def read_rows(
    part: Part,
    columns: Mapping[str, str],
    partition: str | None = None,
    redaction: Redaction | None = None,
    hidden: Counter[str] | None = None,
) -> Iterator[Row]:
    """The selected rows of one part. Texts come as bytes, for one row's wrong UTF-8 would spoil a whole column.

    Args:
        partition: the column that says which partition a row belongs to.
        redaction: what is kept out of them.
        hidden: is added to: how many values of each kind that was.
    """
    wanted = None if part.selected is None else set(part.selected)
    try:
        for start, _, _, batch in read_batches(part, [*columns.values(), *([partition] if partition else [])]):
            lifetime.check_stop()
            values = {field: plain_values(batch, column) for field, column in columns.items()}
            partitions = partition_values(batch, partition) if partition else [None] * batch.num_rows
            for i in range(batch.num_rows):
                if wanted is None or start + i in wanted:
                    found = {field: column[i] for field, column in values.items()}
                    row = Row(RowRef(part.index, start + i), found, partitions[i])
                    if redaction is not None:
                        row, kinds = redaction.hide_row(row, columns)
                        if hidden is not None:
                            hidden.update(kinds)
                    yield row
    except RunError as error:
        raise lifetime.fail(error) from None


def partition_values(batch: pa.RecordBatch, column: str) -> list[str | None]:
    """Which partition each row of a batch belongs to, as text.

    A whole number is the same in any type: a column is 1 or 1.0 by what other files, or nulls, have made of it.
    """
    return [_as_text(value) for value in plain_values(batch, column)]


def _as_text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bytes():
            return value.decode(errors="replace")
        case float() if value.is_integer():
            return str(int(value))
    return str(value)


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
