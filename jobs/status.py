"""What an output folder is: that of a complete run, of one at work, of one that did not get to its end, or none."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from jobs.terminal import duration
from pipeline.errors import UsageError
from pipeline.layout import LOG_NAME
from pipeline.run_folder import being_written, left_over, read_manifest
from pipeline.run_state import read_state
from schemas.manifest import Incomplete, Manifest
from schemas.run_state import Phase, RunState


class Standing(StrEnum):
    """How an output stands: by the last run of it, complete or not."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ABSENT = "absent"
    FOREIGN = "foreign"

    @property
    def exit_code(self) -> int:
        """What `textmill status` ends with."""
        match self:
            case Standing.COMPLETE | Standing.RUNNING:
                return 0
            case Standing.FAILED:
                return 1
            case Standing.INCOMPLETE:
                return 5
            case Standing.INTERRUPTED:
                return 130
        return 2


class CompleteRun(BaseModel):
    """What is said of the complete run in an output; `seconds` and counts as in its manifest."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    task: str
    model: str
    finished: datetime
    seconds: float
    rows: int
    results: int
    ok: int
    failed: int
    failed_by_class: dict[str, int]
    redrives: int
    incomplete: Incomplete | None = None


class OutputStatus(BaseModel):
    """What an output folder is.

    Attributes:
        complete: the run that a reader of the folder finds there.
        unfinished: a newer one that is not there yet, if it said how far it is.
        log: that run's, if it failed.
    """

    model_config = ConfigDict(frozen=True)

    output: Path
    standing: Standing
    complete: CompleteRun | None = None
    unfinished: RunState | None = None
    log: Path | None = None


_READABLE = (Standing.COMPLETE, Standing.INCOMPLETE)


def look_at(output: Path) -> OutputStatus:
    """Find out what an output folder is. Nothing is written, and a run at work is not disturbed."""
    output = output.expanduser().absolute()
    at_work = being_written(output)
    left = [(folder, read_state(folder)) for folder in left_over(output)]
    at_work = at_work or being_written(output)  # once more: a run that starts or ends meanwhile was not killed
    known = [(state, folder) for folder, state in left if state is not None]
    state, folder = max(known, key=lambda one: one[0].started, default=(None, output))
    complete = _complete(output)
    if at_work:
        standing = Standing.RUNNING
    elif left:
        failed = state is not None and state.state is Phase.FAILED
        standing = Standing.FAILED if failed else Standing.INTERRUPTED
    elif complete:
        standing = Standing.INCOMPLETE if complete.incomplete else Standing.COMPLETE
    else:
        standing = Standing.FOREIGN if output.is_file() or _holds_something(output) else Standing.ABSENT
    log = folder / LOG_NAME if standing is Standing.FAILED else None
    return OutputStatus(output=output, standing=standing, complete=complete, unfinished=state, log=log)


def _complete(output: Path) -> CompleteRun | None:
    try:
        manifest = read_manifest(output)
    except UsageError:
        return None
    return _in_short(manifest)


def _in_short(manifest: Manifest) -> CompleteRun:
    counts = manifest.counts
    return CompleteRun(
        run_id=manifest.run_id,
        task=manifest.task,
        model=manifest.model.name,
        finished=manifest.finished,
        seconds=manifest.seconds["total"],
        rows=counts.rows,
        results=counts.results,
        ok=counts.ok,
        failed=counts.failed,
        failed_by_class=counts.failed_by_class,
        redrives=len(manifest.redrives),
        incomplete=manifest.incomplete,
    )


def _holds_something(output: Path) -> bool:
    return output.is_dir() and any(output.iterdir())


def status_lines(status: OutputStatus) -> Iterator[str]:
    """The same for a person, the last run first."""
    run = status.unfinished
    match status.standing:
        case Standing.RUNNING:
            yield f"running: {_by_whom(run)}" if run else "running: a run is at work here"
        case Standing.INTERRUPTED:
            yield f"interrupted: {_how_far(run)}"
            killed = run is None or run.state is Phase.RUNNING
            which = (
                "it was killed: the answers are stored, but for the last seconds'"
                if killed
                else "the answers are stored"
            )
            yield f"{which}; run the same command again to go on from there"
        case Standing.FAILED if run:
            yield f"failed: {run.message}"
            yield f"{_how_far(run)}; log: {status.log}"
        case Standing.ABSENT:
            yield f"absent: there is no run at {status.output}"
        case Standing.FOREIGN:
            yield f"not Textmill's: {status.output} was not written by Textmill"
    if status.complete:
        yield from _complete_lines(status.complete, status.output, newest=status.standing in _READABLE)


def _by_whom(run: RunState) -> str:
    rows = "preparing" if run.rows is None else f"{run.rows_done:,} of {run.rows:,} rows answered"
    return f"{run.task} since {_moment(run.started)}, {rows}, process {run.pid} on {run.host}"


def _how_far(run: RunState | None) -> str:
    if run is None:
        return "a run that did not get to its end"
    rows = "before it began" if run.rows is None else f"after {run.rows_done:,} of {run.rows:,} rows"
    return f"{run.task} of {_moment(run.started)}, {rows}"


def _complete_lines(run: CompleteRun, output: Path, newest: bool) -> Iterator[str]:
    several = f", {run.results:,} results" if run.results != run.rows else ""
    redriven = f", redriven {run.redrives} times" if run.redrives > 1 else ", redriven once" if run.redrives else ""
    if newest and run.incomplete:
        yield f"incomplete: stopped {run.incomplete}"
        yield "what was answered is stored; run the same command again to go on from there"
    what = ("written" if run.incomplete else "complete") if newest else "the folder has an older run, complete"
    took = f"finished {_moment(run.finished)} after {duration(run.seconds)}{redriven}"
    yield f"{what}: {run.task} by {run.model}, {took}"
    failed = ", ".join(f"{number:,} {name}" for name, number in run.failed_by_class.items())
    yield f"{run.rows:,} rows{several}: {run.ok:,} ok, {run.failed:,} failed{f' ({failed})' if failed else ''}"
    if run.failed and newest:
        yield f"to run the failed ones again: textmill redrive {output}"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
