"""Runs over time: from the manifests in a folder, or from the history beside the store."""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from jobs.answer_figures import AnswerFigures, answer_figures
from jobs.run_output import RunOutput
from pipeline.errors import UsageError
from pipeline.run_history import read_history
from schemas.manifest import MANIFEST_NAME
from schemas.run_history import Host


class PastRun(BaseModel):
    """One run among others; the fields are the JSON of `textmill history`.

    Attributes:
        changed: `model` or `recipe`, if it is another than that of the run before: of the same output if there was one,
            else of the same task.
        host: not known of runs that were found by their manifests.
        means, shares: of the answers, by column.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    started: datetime
    task: str
    model: str
    model_digest: str
    recipe_digest: str
    output: str
    rows: int
    ok: int
    failed: int
    unique: int
    reused: int
    seconds: float
    rows_per_second: float
    requests_per_second: float | None
    host: Host | None = None
    means: dict[str, float]
    shares: dict[str, dict[str, float]]
    changed: str | None = None


def history_of(folder: Path) -> list[PastRun]:
    """The complete runs in a folder, at any depth, oldest first.

    Raises:
        UsageError: if it is no folder, or the results of a run cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "without one, the runs that the store knows of are shown")
    return _marked(_of_output(run) for run in _runs_below(folder))


def history_of_store(store: str) -> list[PastRun]:
    """The runs that a store knows of, oldest first, those included whose output was replaced since.

    Raises:
        UsageError: if the place cannot be looked at.
    """
    return _marked(
        PastRun(
            **entry.model_dump(include={"run_id", "started", "task", "recipe_digest", "output", "means", "shares"}),
            **_figures(entry.counts.model_dump(), entry.seconds, entry.rates),
            model=entry.model.name,
            model_digest=entry.model.digest,
            host=entry.host,
        )
        for entry in read_history(store)
    )


def _runs_below(folder: Path) -> Iterator[RunOutput]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if MANIFEST_NAME in files:
            try:
                yield RunOutput.of(Path(place))
            except UsageError:  # somebody else's manifest
                continue
            folders.clear()


def _of_output(run: RunOutput) -> PastRun:
    manifest = run.manifest
    found: AnswerFigures = answer_figures(run)
    return PastRun(
        **manifest.model_dump(include={"run_id", "started", "recipe_digest"}),
        **_figures(manifest.counts.model_dump(), manifest.seconds, manifest.rates),
        task=manifest.recipe["task"],
        model=manifest.model.name,
        model_digest=manifest.model.digest,
        output=str(run.folder),
        means=found.means,
        shares=found.shares,
    )


def _figures(counts: dict[str, int], seconds: dict[str, float], rates: dict[str, float]) -> dict[str, float | None]:
    return {
        **{name: counts[name] for name in ("rows", "ok", "failed", "unique", "reused")},
        "seconds": seconds["total"],
        "rows_per_second": rates["rows_per_second"],
        "requests_per_second": rates.get("engine_requests_per_second"),
    }


def _marked(runs: Iterable[PastRun]) -> list[PastRun]:
    """The runs by time, with what changed from one to the next."""
    by_output: dict[tuple[str, str], PastRun] = {}
    by_task: dict[str, PastRun] = {}
    found = []
    for run in sorted(runs, key=lambda run: run.started):
        before = by_output.get((run.task, run.output)) or by_task.get(run.task)
        by_output[run.task, run.output] = by_task[run.task] = run
        found.append(run.model_copy(update={"changed": _change(before, run)}))
    return found


def _change(before: PastRun | None, run: PastRun) -> str | None:
    if before is None or before.recipe_digest == run.recipe_digest:
        return None
    return "recipe" if before.model_digest == run.model_digest else "model"


def history_rows(runs: Iterable[PastRun]) -> Iterator[list[str]]:
    """The runs as cells of a table: see `HISTORY_COLUMNS`."""
    for run in runs:
        reused = f"{run.reused / run.unique:.0%}" if run.unique else "-"
        speed = "-" if run.requests_per_second is None else f"{run.requests_per_second:,.1f}"
        yield [
            f"{run.started.astimezone():%Y-%m-%d %H:%M}",
            run.task,
            run.model,
            {"model": "new model", "recipe": "new recipe"}.get(run.changed or "", ""),
            f"{run.rows:,}",
            f"{run.failed:,}",
            reused,
            f"{run.rows_per_second:,.1f}",
            speed,
            _answers(run),
            run.output,
        ]


HISTORY_COLUMNS = [
    *("started", "task", "model", "changed", "rows", "failed"),
    *("reused", "rows/s", "requests/s", "answers", "output"),
]


def _answers(run: PastRun) -> str:
    """The largest shares of the first column that has any, and the means."""
    shares = next(iter(run.shares.values()), {})
    said = [f"{value} {share:.0%}" for value, share in list(shares.items())[:3]]
    return ", ".join([*said, *(f"{name} {mean:.3g}" for name, mean in run.means.items())])
