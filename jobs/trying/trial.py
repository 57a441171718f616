"""Models and prompts tried on a sample of the input: what each would give, how fast, and at what price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from jobs.config import JobConfig
from jobs.evaluation import EvaluationSettings, evaluate
from jobs.evaluation.bootstrap import Resampling
from jobs.inquiry import make_task
from jobs.run import run_job
from jobs.run_output import RunOutput
from jobs.settings import read_config_file
from jobs.tasks import find_task
from jobs.terminal import Terminal
from jobs.trying.gold import find_gold
from pipeline.errors import Interrupted, RunError, UsageError
from pipeline.models import Model
from pipeline.run_history import read_history, this_host
from pipeline.survey import survey
from schemas.envelope import META_COLUMN
from schemas.manifest import Manifest
from schemas.run_history import RunEntry

_FORM = "prompt_form"
_DECIDE = ("pearson_r", "macro_f1", "ece", "chrf", "f1", "strict_pass_rate")
"""Of the figures there are, the first three of these are shown, and the first that any cell has decides."""
AS_IT_IS = "as it is"
"""The task's own prompt, by its name in the table."""


@dataclass(frozen=True)
class Variant:
    """A prompt to try: options of the task, over those of the configuration."""

    name: str = AS_IT_IS
    options: Mapping[str, Any] = field(default_factory=dict)
    prompt_form: str | None = None


class Cell(BaseModel):
    """What came of one model with one prompt; the fields are the JSON of `textmill trial`.

    Attributes:
        quality: figures by name, the most telling first; empty without anything to hold answers against.
        failed: share of the results.
        checks: share of the checks that were passed; None if the task has none.
        rows_per_second: of the engine, once it runs, on the machine of the trial; None if it was never measured.
        prompt_tokens, output_tokens: a row.
        seconds, cost: for all rows of the input, if their texts are as different as the sample's.
        output: the run's folder, if it was kept.
        error: why there are no figures, or no quality.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    prompt: str
    quality: dict[str, float] = {}
    rows: int = 0
    failed: float = 0.0
    checks: float | None = None
    rows_per_second: float | None = None
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    seconds: float | None = None
    cost: float | None = None
    output: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        config: all that the cells have in common.
        gold: what answers are held against: a file, or columns of the input that are named or that a name tells.
        price_per_hour: of the machine, in any currency.
        folder: where the cells' outputs go, one folder each.
        keep: whether they stay.
    """

    config: JobConfig
    models: Sequence[str]
    variants: Sequence[Variant]
    folder: Path
    keep: bool = False
    gold: EvaluationSettings = field(default_factory=EvaluationSettings)
    price_per_hour: float | None = None


def read_variant(file: Path, task: str) -> Variant:
    """A prompt from a TOML file of task options, with `prompt_form` among them if it is to be set.

    Raises:
        UsageError: if it cannot be read, or the task does not know one of its options or values.
    """
    options = read_config_file(file)
    form = options.pop(_FORM, None)
    try:
        make_task(find_task(task), options, form, Model("any", None, "any"))
    except UsageError as error:
        raise UsageError(f"{file}: {error.message}", error.hint) from None
    return Variant(file.stem, options, form)


def try_out(trial: Trial, terminal: Terminal) -> list[Cell]:
    """Run every model with every prompt on the sample; a cell that fails says why, and the others go on.

    Answers go to the store, and come from there: nothing is paid for twice. The best cell is first.

    Raises:
        UsageError: if the input or the gold cannot be read or has no such column: before anything is spent.
        Interrupted: if it was stopped; what was answered is in the store.
    """
    found = survey(trial.config.inputs)
    gold = find_gold(trial.gold, trial.config, found)
    pairs = [(model, variant) for model in trial.models for variant in trial.variants]
    cells = []
    for number, (model, variant) in enumerate(pairs, 1):
        terminal.say(f"{number} of {len(pairs)}: {model}, {variant.name}")
        output = trial.folder / f"{number:02d}-{_as_name(model)}-{_as_name(variant.name)}"
        cells.append(_cell(trial, model, variant, output, found.rows, gold, terminal))
    return ranked(cells)


def ranked(cells: Sequence[Cell]) -> list[Cell]:
    """Cells with figures first, by the figure that decides, where rows that failed count as nothing; then by speed."""
    decisive = next((name for name in _DECIDE if any(name in cell.quality for cell in cells)), "")

    def rank(cell: Cell) -> tuple[bool, bool, float, float, float]:
        value = cell.quality.get(decisive, 0.0)
        worth = value - cell.failed * abs(value)
        return (not cell.rows, decisive not in cell.quality, -worth, cell.failed, -(cell.rows_per_second or 0))

    return sorted(cells, key=rank)


def _cell(
    trial: Trial,
    model: str,
    variant: Variant,
    output: Path,
    rows: int,
    gold: EvaluationSettings | None,
    terminal: Terminal,
) -> Cell:
    changes = {
        "model": model,
        "cascade": None,
        "options": {**trial.config.options, **variant.options},
        "output": str(output),
        _FORM: variant.prompt_form or trial.config.prompt_form,
    }
    config = trial.config.model_copy(update=changes)
    cell = Cell(model=model, prompt=variant.name, output=str(output) if trial.keep else None)
    try:
        manifest = run_job(config, terminal)
        cell = _measured(cell, manifest, output, rows, trial.price_per_hour)
        return cell.model_copy(update={"quality": quality(output, manifest, gold) if gold else {}})
    except Interrupted:
        raise
    except RunError as error:
        return cell.model_copy(update={"error": error.message})


def _as_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._" else "-" for c in text)[-60:]


def quality(output: Path, manifest: Manifest, gold: EvaluationSettings) -> dict[str, float]:
    """How good a run's answers are, the most telling figures first.

    Raises:
        UsageError: if it cannot be told.
    """
    names = manifest.renamed_columns if gold.gold is None else {}
    columns = {role: names.get(column, column) for role, column in gold.columns.items()}
    settings = replace(gold, columns=columns, resampling=Resampling(0, 0))
    figures = {name: figure.value for name, figure in evaluate(output, settings, datetime.now(UTC)).headline.items()}
    return {name: figures[name] for name in [name for name in _DECIDE if name in figures][:3]}


def _measured(cell: Cell, manifest: Manifest, output: Path, rows: int, price_per_hour: float | None) -> Cell:
    counts, tokens = manifest.counts, _tokens_per_row(RunOutput(output, manifest))
    checks = [(check.passed, check.passed + check.failed) for check in counts.checks.values()]
    passed, checked = (sum(column) for column in zip(*checks, strict=True)) if checks else (0, 0)
    speed = _speed(manifest)
    requests = counts.unique / max(1, counts.rows)
    seconds = None if speed is None else speed.start_seconds + rows * requests * speed.seconds_per_request
    found = {
        "rows": counts.rows,
        "failed": counts.failed / max(1, counts.results),
        "checks": passed / checked if checked else None,
        "rows_per_second": 1 / (requests * speed.seconds_per_request) if speed and requests else None,
        "prompt_tokens": tokens[0],
        "output_tokens": tokens[1],
        "seconds": seconds,
        "cost": None if seconds is None or price_per_hour is None else seconds / 3600 * price_per_hour,
    }
    return cell.model_copy(update=found)


@dataclass(frozen=True)
class _Speed:
    seconds_per_request: float
    start_seconds: float


def _speed(manifest: Manifest) -> _Speed | None:
    """How fast this recipe ran on this machine when it asked the most; None if it never asked here."""
    host = this_host()
    known = [
        entry
        for entry in read_history(manifest.config["store"])
        if entry.recipe_digest == manifest.recipe_digest and entry.host == host and entry.counts.sent
    ]
    if not known:
        return None
    most: RunEntry = max(known, key=lambda entry: entry.counts.sent)
    return _Speed(max(1e-3, most.seconds["engine"]) / most.counts.sent, most.seconds["engine_start"])


def _tokens_per_row(run: RunOutput) -> tuple[float, float]:
    """Prompt and output tokens, whether this run paid for them or an earlier one."""
    prompt = output = 0
    for batch in run.batches(META_COLUMN):
        prompt += pc.sum(pc.struct_field(batch, "prompt_tokens")).as_py() or 0
        output += pc.sum(pc.struct_field(batch, "output_tokens")).as_py() or 0
    rows = max(1, run.manifest.counts.rows)
    return prompt / rows, output / rows
