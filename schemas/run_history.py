"""A small record of a run, kept beside the store: what it did and how fast, and none of its texts."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.manifest import Counts, Incidents, ModelInfo, Tokens


class Host(BaseModel):
    """The machine of a run, as far as it decides the speed.

    Attributes:
        cpu: the processor's name, empty if the system does not tell.
        cores: those that the process may use.
        device: what the engine computes on: `cpu`, or the name of the first GPU.
        devices: how many of them.
    """

    model_config = ConfigDict(frozen=True)

    cpu: str
    cores: int = Field(ge=1)
    device: str = "cpu"
    devices: int = Field(1, ge=1)


class RunEntry(BaseModel):
    """One committed run. Fields that are not known are ignored: a newer Textmill may have written more.

    Attributes:
        task: the task's name, also where it came from a file.
        scope: the store's folder of this task, model and engine; of a cascade, whose speed is another, no folder.
        recipe_digest: everything that decides an answer; another one, and answers can differ.
        engine: its name, version and the arguments that can change an answer.
        engine_args: the engine's arguments that the user gave, by name.
        workers: how many processes it was to run in; null: in one, the command's own.
        output: the absolute path of the output folder, which a later run may have replaced.
        counts, tokens, seconds, rates, incidents: as in the run's manifest.
        means: mean of each numeric answer column.
        shares: share of each value in each answer column of few values.
    """

    model_config = ConfigDict(frozen=True)

    format: int = 1
    run_id: str
    started: datetime
    finished: datetime
    task: str
    task_version: int
    model: ModelInfo
    scope: str
    recipe_digest: str
    engine: dict[str, Any]
    engine_args: dict[str, Any] = Field(default_factory=dict)
    workers: int | None = None
    output: str
    host: Host
    counts: Counts
    tokens: Tokens
    seconds: dict[str, float]
    rates: dict[str, float]
    incidents: Incidents = Incidents()
    means: dict[str, float] = Field(default_factory=dict)
    shares: dict[str, dict[str, float]] = Field(default_factory=dict)
