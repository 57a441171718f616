"""Which columns a task reads: as they are named, else by their names; the same for jobs and for gold."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from jobs.config import nearest
from pipeline.columns import choose_column, choose_text_column, describe_columns
from pipeline.errors import UsageError
from pipeline.task import AnyTask


def choose_columns(
    task: type[AnyTask], schema: pa.Schema, given: Mapping[str, str], text: str | None
) -> dict[str, str]:
    """Record field → column: as `--column` says, the first field as `--text` says, else by name.

    Raises:
        UsageError: for a field that the task does not read, a column that is not there, or one that it needs.
    """
    fields = task.record.model_fields
    for name in given:
        if name not in fields:
            raise UsageError(f"{task.name} reads no field {name!r}", nearest(name, fields))
    columns: dict[str, str] = {}
    for i, (name, info) in enumerate(fields.items()):
        named = given.get(name) or (text if i == 0 else None)
        if i == 0 and info.annotation is str:
            columns[name] = choose_text_column(schema, named, name)
        elif (column := choose_column(schema, named, task.record.column_names(name), name)) is not None:
            columns[name] = column
        elif info.is_required():
            raise _no_column(task, (name,), schema)
    if (wanted := task.record.needs_one_of) and not set(wanted) & set(columns):
        raise _no_column(task, wanted, schema)
    return columns


def _no_column(task: type[AnyTask], fields: Sequence[str], schema: pa.Schema) -> UsageError:
    what = " or ".join(repr(name) for name in fields)
    hint = f"name one with --column {fields[0]}=COLUMN; the input has: {describe_columns(schema)}"
    return UsageError(f"{task.name} needs a column {what}", hint)
