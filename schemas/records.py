"""Record models: a validated row, holding just the fields a task reads."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of every record. Its field names are what a task asks of the input's columns."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TextRecord(Record):
    """A row with one text, for tasks that need nothing else."""

    text: str
