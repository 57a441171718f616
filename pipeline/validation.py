"""From rows to cases: what cannot be asked about is found here."""

from collections.abc import Container, Iterator
from functools import cache
from typing import Any

import apache_beam as beam
from pydantic import ValidationError

from pipeline import metrics
from pipeline.elements import Block, Case, Row, RowRef, Undecodable
from pipeline.errors import RowError
from pipeline.outcomes import DEAD, by_part, fail_row
from pipeline.task import AnyTask
from schemas.envelope import ErrorClass
from schemas.records import Record

_NAME_CHARS = 60
"""So much of a wrong name is told."""


class ValidateRows(beam.DoFn):
    """Blocks of rows to blocks of cases; `dead`: the outcomes of rows that are not valid, by part.

    Args:
        task: whose rows they are.
        settles: rows are done, and counted so.
        adapters: names of those that rows may name; None: rows name none.
    """

    def __init__(self, task: AnyTask, settles: bool = True, adapters: Container[str] | None = None) -> None:
        self._task, self._settles, self._adapters = task, settles, adapters

    def process(self, rows: Block[Row]) -> Iterator[Any]:
        metrics.count(metrics.ROWS, len(rows))
        cases: Block[Case] = Block()
        failed: list[tuple[RowRef, RowError]] = []
        for row in rows:
            try:
                cases.append(case_of(self._task, row, self._adapters))
            except RowError as error:
                failed.append((row.ref, error))
        if cases:
            yield cases
        metrics.count_rows_done(len(failed) if self._settles else 0)
        for dead in by_part(((ref.part, fail_row(self._task, ref, error)) for ref, error in failed), self._settles):
            yield beam.pvalue.TaggedOutput(DEAD, dead)


def case_of(task: AnyTask, row: Row, adapters: Container[str] | None) -> Case:
    """The row's case, with the adapter that it names: none if its column is null or empty.

    What a row says is data: it is looked up among the names that the run was given, and is never a path.

    Args:
        adapters: as in `ValidateRows`.

    Raises:
        RowError: as in `validate_row`, or if there is no such adapter.
    """
    record = validate_row(task, row)
    if adapters is None:
        return Case(row.ref, record, partition=row.partition)
    name = row.partition or None
    if name is not None and name not in adapters:
        raise RowError(ErrorClass.INVALID_ROW, f"no adapter of the run is called {name[:_NAME_CHARS]!r}")
    return Case(row.ref, record, adapter=name)


def validate_row(task: AnyTask, row: Row) -> Record:
    """The row's record.

    Raises:
        RowError: if a text is null, empty or not UTF-8, or the record model or the task refuses the row.
    """
    values = {}
    all_required = _required_fields(task.record)
    for name, value in row.values.items():
        required = name in all_required
        if isinstance(value, Undecodable):
            raise RowError(ErrorClass.INVALID_TEXT, f"{name} is not UTF-8: {value.reason}")
        if isinstance(value, bytes) or (value is None and required):
            values[name] = _decode(name, value, required)
        elif value is not None:
            values[name] = value
    try:
        record: Record = task.record.__pydantic_validator__.validate_python(
            values
        )  # `model_validate`, in half the time
    except ValidationError as error:
        first = error.errors()[0]
        raise RowError(ErrorClass.INVALID_ROW, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    task.check(record)
    return record


@cache
def _required_fields(record: type[Record]) -> frozenset[str]:
    return frozenset(name for name, field in record.model_fields.items() if field.is_required())


def _decode(name: str, value: bytes | None, required: bool) -> str:
    if value is None:
        raise RowError(ErrorClass.NULL_TEXT, f"{name} is null")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise RowError(ErrorClass.INVALID_TEXT, f"{name} is not UTF-8: {error.reason} at byte {error.start}") from None
    if required and not text.strip():
        raise RowError(ErrorClass.EMPTY_TEXT, f"{name} is empty")
    return text
