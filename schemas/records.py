"""Record models: a validated row, holding just the fields a task reads."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of every record. Its field names are what a task asks of the input's columns.

    A field is read from the column of its name, or of one of the names in `json_schema_extra={"columns": [...]}`. Text
    comes as `str`, anything else as pyarrow's `to_pylist` gives it. A null leaves an optional field at its default.

    Attributes:
        needs_one_of: fields of which at least one must have a column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    needs_one_of: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def column_names(cls, field: str) -> tuple[str, ...]:
        """The names that a field's column may have, the likeliest first."""
        extra: Any = cls.model_fields[field].json_schema_extra
        return (field, *(extra or {}).get("columns", ()))


class TextRecord(Record):
    """A row with one text, for tasks that need nothing else."""

    text: str
