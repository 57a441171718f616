"""Result models: the typed answer of a task for one row."""

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base of every result. Its fields become the output's typed columns (`schemas.arrow`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
