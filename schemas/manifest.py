"""The manifest: what one run did. Written last, so a folder that has one is complete."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.cascade import CascadeUse

MANIFEST_NAME = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileInfo(_Part):
    """A Parquet file that was read or written."""

    path: str
    rows: int
    size_bytes: int


class AdapterUse(_Part):
    """An adapter that a model was used with: its folder, a digest of its weights, and that of the model without it."""

    folder: str
    digest: str
    model_digest: str


class RowAdapterUse(AdapterUse):
    """An adapter that rows named; `calibration` is what their probabilities went through."""

    calibration: "CalibrationUse | None" = None


class ModelCard(_Part):
    """What is known of a model by those who offer it, and what was measured of it here.

    Attributes:
        title: what it is.
        source: where it comes from.
        languages: in words, or ISO 639-1 codes; null: nobody says.
        limits: what it is known not to be able to do, a sentence each.
    """

    title: str
    source: str
    languages: str | None = None
    limits: list[str] = Field(default_factory=list)


class ModelInfo(_Part):
    """The model that answered: its name, where from, a digest of its weights, an adapter's included, and its card.

    `adapters` are those that rows could name, by that name; what is said of the model is then said of it without them.
    """

    name: str
    digest: str
    revision: str | None = None
    licence: str | None = None
    adapter: AdapterUse | None = None
    adapters: dict[str, RowAdapterUse] = Field(default_factory=dict)
    card: ModelCard | None = None


class CalibrationUse(_Part):
    """The calibration that a run used: its file, a digest of it, and how it was fitted."""

    file: str
    digest: str
    method: str
    rows: int


class Counts(_Part):
    """Rows, results and requests of a run; `results == ok + failed` always holds.

    Most tasks have one result a row; those that have several (a translation for each language) say `results > rows`.

    `redacted` counts the values of personal data that were replaced, by kind: different ones of a row, rows added up.

    `unique` counts different requests (fingerprints), of which `reused` were answered from the completion store and
    `sent` went to the engine; `follow_ups` of them were asked in later rounds: second tries, ways back.
    `guarded` counts the questions that were asked, each time that a row asked one, whose text had orders to the model
    left out.
    """

    rows: int = 0
    results: int = 0
    unique: int = 0
    reused: int = 0
    sent: int = 0
    follow_ups: int = 0
    ok: int = 0
    failed: int = 0
    truncated: int = 0
    guarded: int = 0
    failed_by_class: dict[str, int] = Field(default_factory=dict)
    checks: dict[str, "CheckCounts"] = Field(default_factory=dict)
    redacted: dict[str, int] = Field(default_factory=dict)


class CheckCounts(_Part):
    """How many results passed one check, and how many did not."""

    passed: int = 0
    failed: int = 0


class Tokens(_Part):
    """Tokens the engine handled in this run, and those that it did not have to.

    Attributes:
        stored: prompts and answers that were in the completion store.
        duplicates: prompts and answers that other rows of the run had asked for.
    """

    prompt: int = 0
    cached_prompt: int = 0
    output: int = 0
    reasoning: int = 0
    stored: int = 0
    duplicates: int = 0


class Incomplete(_Part):
    """A run that stopped at a bound of its budget.

    Attributes:
        reached: which one: `tokens`, `minutes` or `rows`.
        results_left: results that were not computed; they are failed ones of class `over_budget`.
        requests_left: requests that were not sent: of these results, and second tries of others.
    """

    reached: str
    results_left: int
    requests_left: int = 0

    def __str__(self) -> str:
        what = "results" if self.results_left else "second tries"
        return f"at its budget of {self.reached}, {self.results_left or self.requests_left:,} {what} left"


class Energy(_Part):
    """What the devices took while the pipeline ran, in joules; null: not to be measured here.

    Attributes:
        gpu_joules: of the GPUs that the process may use, other processes' work included.
        cpu_joules: of all CPU packages, other processes' work included.
    """

    gpu_joules: float | None = None
    cpu_joules: float | None = None

    @property
    def joules(self) -> float:
        """All that is known."""
        return (self.gpu_joules or 0.0) + (self.cpu_joules or 0.0)


class Redrive(_Part):
    """One time that dead letters of the run were run again.

    Attributes:
        run_id: names it; rows that it computed have it in `meta`.
        classes: of which errors; empty: of all.
        set: the settings that differed from the run's `config`, by dotted keys.
        redriven: how many failed results were run again.
        recovered: how many of them are ok now.
        adapters: those that the rows could name then, as in `ModelInfo`.
    """

    run_id: str
    started: datetime
    classes: list[str]
    set: dict[str, Any]
    redriven: int
    recovered: int
    adapters: dict[str, RowAdapterUse] = Field(default_factory=dict)


class SkippedInput(_Part):
    """An input file that was left out because it is damaged, and what is wrong with it."""

    path: str
    reason: str


class Incidents(_Part):
    """What went wrong and was made good: engines started again, store parts that could not be read, workers lost."""

    engine_deaths: int = 0
    damaged_store_parts: int = 0
    workers_lost: int = 0


class WorkerInfo(_Part):
    """What one worker process of this machine did: one that was started again is another one.

    Attributes:
        rows: how many it read.
        sent: requests to its engine.
        results: rows whose results it wrote.
        peak_memory_bytes: the most it had in memory.
    """

    rows: int
    sent: int
    results: int
    peak_memory_bytes: int


class Pace(_Part):
    """How far the pipeline was while it ran: at most 200 moments, evenly spaced, and the end.

    Attributes:
        seconds: since the pipeline began.
        rows: how many were answered by then.
        tokens: how many prompt and output tokens the engine had handled.
    """

    seconds: list[float] = Field(default_factory=list)
    rows: list[int] = Field(default_factory=list)
    tokens: list[int] = Field(default_factory=list)


class Manifest(_Part):
    """What one run did, from its config to the files it wrote.

    After a redrive, results and dead letters are counted as they are then, while requests, tokens and seconds are those
    of the run and its redrives together. All else is the run's.

    Attributes:
        seconds: wall time by phase: `total`, `prepare` (model, input survey), `engine_start`, `engine` (from the
            first request to the last answer), `pipeline` (everything inside Beam, engine included), `commit`. Of the
            engines of `workers` it is the mean, of those of a Beam runner the sum.
        rates: `rows_per_second` over the pipeline's time, `tokens_per_second` over the engine's.
        digest: names all that the run depends on, contents of files included; null: `if_changed` was not asked for.
        calibration: what made labels and probabilities of the model's; null: they are the model's own.
        cascade: how rows were shared with cheaper models; `model` and `recipe` are then the last one's.
        columns: record field → the input column it was read from.
        answer_columns: the task's columns that a person wants to see first.
        id_column: the input's column of ids; null: ids were made from file and row number.
        renamed_columns: input columns whose name the output needs, with the name they have there.
        pace: how the run went over time; of its redrives nothing.
        redrives: when dead letters were run again, oldest first.
        incomplete: what stopped the run before all rows were asked about; null: nothing did.
        energy: null where no device tells.
        skipped_inputs: files that `skip_bad_files` left out; their rows are not counted.
    """

    format: int = 1
    run_id: str
    task: str
    started: datetime
    finished: datetime
    config: dict[str, Any]
    recipe_digest: str
    recipe: dict[str, Any]
    model: ModelInfo
    calibration: CalibrationUse | None = None
    cascade: CascadeUse | None = None
    versions: dict[str, str]
    digest: str | None = None
    counts: Counts
    tokens: Tokens
    seconds: dict[str, float]
    rates: dict[str, float]
    pace: Pace = Pace()
    columns: dict[str, str]
    answer_columns: tuple[str, ...]
    id_column: str | None
    renamed_columns: dict[str, str]
    inputs: list[FileInfo]
    skipped_inputs: list[SkippedInput] = Field(default_factory=list)
    incidents: Incidents = Incidents()
    workers: list[WorkerInfo] = Field(default_factory=list)
    incomplete: Incomplete | None = None
    energy: Energy | None = None
    results: list[FileInfo]
    dead_letters: list[FileInfo]
    redrives: list[Redrive] = Field(default_factory=list)

    @property
    def text_columns(self) -> list[str]:
        """The columns that the task read, by their names in the output, each once."""
        return list(dict.fromkeys(self.renamed_columns.get(name, name) for name in self.columns.values()))
