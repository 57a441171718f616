"""Result models: the typed answer of a task for one row."""

from pydantic import BaseModel, ConfigDict

CHECKS_COLUMN = "checks"


class Result(BaseModel):
    """Base of every result. Its fields become the output's typed columns (`schemas.arrow`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Check(BaseModel):
    """What was found out about an answer by looking at it; an answer can be valid and still fail a check.

    Attributes:
        name: which check; `--require NAME` turns a failed one into a failed row.
        passed: whether the answer is as it should be.
        detail: one line about what is wrong, which the model is told when it is asked again; null if it passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    passed: bool
    detail: str | None = None


class CheckedResult(Result):
    """A result that says which checks it passed."""

    checks: list[Check]
