"""Dead letters run again: the run's own job on the rows they hold, and its results in the places of the failed ones."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jobs.config import JobConfig
from jobs.manifest import merge_manifest
from jobs.prepare import Prepared, prepare
from jobs.redacting import REDACTION_KEYS
from jobs.run import answer
from jobs.running import Run, running
from jobs.settings import change, run_config
from jobs.terminal import Terminal
from pipeline import metrics
from pipeline.elements import Row
from pipeline.errors import RowError, RunError, UsageError
from pipeline.layout import DEAD_LETTERS, LETTER_FIELDS, RESULTS
from pipeline.merge import NewResults, count_results, count_truncated, merge
from pipeline.redrive import Chosen, choose_letters, told_apart_by, write_input
from pipeline.rows import read_rows
from pipeline.run_folder import read_manifest
from pipeline.task import AnyTask
from pipeline.validation import validate_row
from schemas.manifest import CalibrationUse, Manifest, ModelInfo, Redrive
from schemas.results import CHECKS_COLUMN

_OF_THE_RUN = ("inputs", "output", "id", "limit", "sample", "seed", "cascade", *REDACTION_KEYS)
"""What cannot be set: a redrive reads the dead letters, all of them, and puts results where they belong."""
_AS_A_NEW_RUN = "run the job anew with these settings, into another folder"
_AGAIN = "again"


@dataclass(frozen=True)
class Redriven:
    """What became of a redrive.

    Attributes:
        manifest: the run's, as it is now.
        config: the settings of the redrive.
        chosen: the dead letters that were run again; if there were none, nothing was changed.
    """

    manifest: Manifest
    config: JobConfig
    chosen: Chosen


def redrive(output: Path, classes: Sequence[str], settings: Mapping[str, Any], terminal: Terminal) -> Redriven:
    """Run the dead letters of a complete run again and commit the run anew, with what came of them.

    Args:
        classes: only those that failed with one of these errors; all if empty.
        settings: what to do differently, by the keys of `JobConfig`; `table.key` changes one key of a table.

    Raises:
        UsageError: before anything was spent: no complete run, or settings that do not fit its results.
        RunError: if the redrive cannot go on; the run stays as it was, and what was computed is in the store.
        Interrupted: likewise, if it was stopped by Ctrl-C or SIGTERM.
    """
    output = output.expanduser().absolute()
    task = read_manifest(output).task
    for key in settings:
        if key in _OF_THE_RUN:
            raise UsageError(f"--set {key}: a redrive cannot change that", _AS_A_NEW_RUN)
    with running(str(output), task, terminal) as run:
        chosen = choose_letters(output, classes)
        config = change(run_config(chosen.manifest), settings)
        manifest = chosen.manifest
        if chosen.letters:
            prepared = _prepare(chosen, config, settings, run, terminal)
            spent = answer(prepared, run, terminal)
            recovered, found = _merge(chosen, prepared, spent, run.folder.building)
            about = Redrive(
                run_id=run.run_id,
                started=run.started,
                classes=list(classes),
                set=dict(settings),
                redriven=chosen.num_letters,
                recovered=recovered,
                adapters=prepared.model.adapters,
            )
            made = partial(merge_manifest, manifest, about, config.workers, run, spent, found)
            manifest = run.folder.commit(prepared.plan.layout, made)
    return Redriven(manifest, config, chosen)


def _prepare(chosen: Chosen, config: JobConfig, settings: Mapping[str, Any], run: Run, terminal: Terminal) -> Prepared:
    """A run on the rows of the dead letters, in a folder of its own inside of the one that is built.

    Raises:
        UsageError: if its results would not fit into the places of the failed ones.
    """
    folder = run.folder.building / _AGAIN
    for name in (RESULTS, DEAD_LETTERS):
        (folder / name).mkdir(parents=True)
    rows = folder / "rows.parquet"
    write_input(chosen, rows)
    again = config.model_copy(update={"inputs": (str(rows),), "limit": None, "sample": None, "cascade": None})
    prepared = prepare(again, run.run_id, folder, terminal.say)
    task = chosen.manifest.recipe["task"]
    if prepared.recipe.task != task:
        raise UsageError(f"this is a run of {task}, not of {prepared.recipe.task}", _AS_A_NEW_RUN)
    _refuse_other_adapters(chosen, prepared, settings)
    _refuse_other_calibration(chosen, prepared)
    _refuse_other_columns(chosen, prepared)
    _refuse_other_results(chosen, prepared)
    return prepared


def _refuse_other_adapters(chosen: Chosen, prepared: Prepared, settings: Mapping[str, Any]) -> None:
    """Nobody has said that a name is to mean another adapter now, unless it is among the settings."""
    before, now = chosen.manifest.model.adapters, prepared.model.adapters
    for name in before.keys() & now.keys():
        if before[name].digest != now[name].digest and not {"adapters", f"adapters.{name}"} & settings.keys():
            hint = f"--set adapters.{name}={now[name].folder} takes it as it is now; or {_AS_A_NEW_RUN}"
            raise UsageError(f"the adapter {name} is not the run's any more: {now[name].folder} was changed", hint)


def _refuse_other_calibration(chosen: Chosen, prepared: Prepared) -> None:
    before = _calibrations(chosen.manifest.calibration, chosen.manifest.model)
    now = _calibrations(prepared.calibration, prepared.model)
    for name in before.keys() & now.keys():
        if before[name] != now[name]:
            said = f"calibration{name and f' of the adapter {name}'} was {before[name]}, this one's is {now[name]}"
            raise UsageError(f"the run's {said}", _AS_A_NEW_RUN)


def _calibrations(calibration: CalibrationUse | None, model: ModelInfo) -> dict[str, str]:
    """Name of an adapter, empty without one → digest of the calibration."""
    used = {"": calibration, **{name: adapter.calibration for name, adapter in model.adapters.items()}}
    return {name: one.digest if one else "none" for name, one in used.items()}


def _refuse_other_columns(chosen: Chosen, prepared: Prepared) -> None:
    name = chosen.letters[0].name
    num_input = len(pq.read_schema(chosen.output / DEAD_LETTERS / name)) - len(LETTER_FIELDS)
    before = {f.name: f.type for f in list(pq.read_schema(chosen.output / RESULTS / name))[num_input:]}
    now = {f.name: f.type for f in prepared.plan.layout.own}
    if changed := [name for name in {**before, **now} if before.get(name) != now.get(name)]:
        raise UsageError(f"other columns would come of this than the run has: {', '.join(changed)}", _AS_A_NEW_RUN)


def _refuse_other_results(chosen: Chosen, prepared: Prepared) -> None:
    """Which results a row will have is known before they are asked for."""
    plan = prepared.plan
    rows = (row for part in plan.parts for row in read_rows(part, plan.columns, redaction=plan.redaction))
    for letters in chosen.letters:
        now = {first: _branches(plan.task, row) for first, row in zip(letters.rows, rows, strict=False)}
        before = told_apart_by(chosen.output, letters, plan.layout.result.names)
        for place, values in zip(letters.places, before, strict=True):
            branches = now[place.first]
            if len(branches) != place.branches:
                what = f"{len(branches)} instead of {place.branches}"
            elif any(branches[place.branch].get(name) != value for name, value in values.items()):
                what = f"{dict(branches[place.branch])} instead of {values}"
            else:
                continue
            raise UsageError(f"other results would come of a row than the run has: {what}", _AS_A_NEW_RUN)


def _branches(task: AnyTask, row: Row) -> Sequence[Mapping[str, Any]]:
    try:
        return task.branches(validate_row(task, row))
    except RowError:
        return task.branches(None)


def _merge(chosen: Chosen, prepared: Prepared, spent: Counter[str], building: Path) -> tuple[int, Counter[str]]:
    """Build the files of the merged run.

    Returns:
        how many of the failed results are ok now, and how all results of the run have ended.
    """
    came = spent[metrics.OK] + spent[metrics.FAILED]
    if came != chosen.num_results:
        raise RunError(f"{came} results came of the dead letters, not {chosen.num_results} (a bug in Textmill)")
    layout = prepared.plan.layout
    recovered = merge(chosen, NewResults(building / _AGAIN, layout.own.names), building)
    shutil.rmtree(building / _AGAIN)
    found = count_results(building, checked=CHECKS_COLUMN in layout.result.names)
    cut = count_truncated(building, chosen.letters) - count_truncated(chosen.output, chosen.letters)
    found[metrics.TRUNCATED] = chosen.manifest.counts.truncated + cut
    return recovered, found
