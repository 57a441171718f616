"""The state of a run that is not complete, as it stands beside its output; a complete one has a manifest instead."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

RUN_STATE_NAME = "run.json"


class Phase(StrEnum):
    """What a run last said of itself: one that was killed still says that it is running."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class RunState(BaseModel):
    """How far a run is.

    Attributes:
        pid, host: the process that runs it, and its machine.
        rows: how many it reads; null while it prepares.
        rows_done: how many of them are answered.
        message: why it failed, in one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    task: str
    pid: int
    host: str
    started: datetime
    rows: int | None = None
    rows_done: int = 0
    state: Phase = Phase.RUNNING
    message: str | None = None
