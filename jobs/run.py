"""One run, from configuration to committed folder."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from jobs.answer_figures import AnswerFigures, answer_figures
from jobs.cascading.setup import prepare_cascade, settle
from jobs.config import JobConfig
from jobs.manifest import make_manifest
from jobs.prepare import Prepared, where_of
from jobs.run_output import RunOutput
from jobs.running import Run, running
from jobs.terminal import Terminal
from jobs.unchanged import digest_of, unchanged
from pipeline import lifetime, metrics
from pipeline.block_coder import handing_over
from pipeline.cluster.where import Where
from pipeline.engine_holder import keeping_engine
from pipeline.errors import Interrupted, RunError
from pipeline.flow import Plan, build_flow
from pipeline.memory import few_collections
from pipeline.run_history import entry_of, record, this_host
from schemas.manifest import Manifest

T = TypeVar("T")

_LOG = logging.getLogger(__name__)


def run_job(config: JobConfig, terminal: Terminal) -> Manifest:
    """Run a job and commit its output; the manifest that is there, if nothing has changed and that was asked for.

    Raises:
        UsageError: before anything was spent.
        RunError: if the run cannot go on; what was computed is in the store.
        Interrupted: if it was stopped by Ctrl-C or SIGTERM.
    """
    where_of(config)  # filesystems have their options from here on
    with running(config.output, config.task, terminal) as run:
        models = prepare_cascade(config, run.run_id, run.folder.parts, terminal.say)
        digest = digest_of(config, models) if config.if_changed else None
        if digest and (before := unchanged(Path(run.folder.output), digest)):
            run.folder.remove_left_over()
            terminal.tell(f"unchanged since {before.finished.astimezone():%Y-%m-%d %H:%M}: nothing to do")
            return before
        prepared, tally = _share(config, models, run, terminal)
        manifest = run.folder.commit(prepared.plan.layout, partial(make_manifest, config, prepared, run, tally, digest))
        _remember(config.store, run.folder.output, manifest)
    return manifest


def _remember(store: str, output: Path | str, manifest: Manifest) -> None:
    """Put the run into the store's history: nothing that goes wrong with that undoes a run that is committed."""
    try:
        figures = answer_figures(RunOutput(output, manifest)) if isinstance(output, Path) else AnswerFigures()
    except RunError as error:
        _LOG.warning("the run is in the history without its answers: %s", error.message)
        figures = AnswerFigures()
    record(store, entry_of(manifest, this_host(), figures.means, figures.shares))


def answer(prepared: Prepared, run: Run, terminal: Terminal) -> Counter[str]:
    """Run the pipeline of what is prepared, which writes to the plan's folder; returns what it counted.

    Raises:
        RunError: if it cannot go on; what was computed is in the store.
        Interrupted: if it was stopped by Ctrl-C or SIGTERM.
    """
    return _answer(prepared, run, terminal, partial(_run_beam, prepared.where, run, prepared.plan))


def _share(
    config: JobConfig, models: Sequence[Prepared], run: Run, terminal: Terminal
) -> tuple[Prepared, Counter[str]]:
    """Answer all rows, with the models of a cascade if there are several."""
    *_, last = models
    if not config.cascade:
        return last, answer(last, run, terminal)

    def work() -> tuple[Prepared, Counter[str]]:
        with keeping_engine():
            prepared, spent = settle(config, models, partial(_run_beam, last.where, run), terminal.say)
            return prepared, spent + _run_beam(prepared.where, run, prepared.plan)

    return _answer(last, run, terminal, work)


def _answer(prepared: Prepared, run: Run, terminal: Terminal, work: Callable[[], T]) -> T:
    prepared.plan.store.prepare(prepared.recipe)
    run.folder.remove_left_over()
    run.clock.lap("prepare")
    found = _run_pipeline(prepared, run, terminal, work)
    run.clock.lap("pipeline")
    run.signals.defer()
    return found


def _run_pipeline(prepared: Prepared, run: Run, terminal: Terminal, work: Callable[[], T]) -> T:
    metrics.reset_board()
    run.signals.drain()
    log = run.folder.log
    try:
        with (
            terminal.progress(prepared.rows),
            run.state.refreshing(prepared.rows),
            run.meter.sampling(),
            run.energy.measuring(),
        ):
            try:
                return work()
            finally:
                lifetime.close_all()
    except Exception as error:
        _LOG.exception("the run failed")
        known = lifetime.failure()
        if isinstance(known, Interrupted):
            stored = metrics.rows_done(metrics.board())
            raise Interrupted(
                f"interrupted: {stored} of {prepared.rows} rows are answered and stored",
                "run the same command again to go on from there",
            ) from None
        if known is not None:
            raise type(known)(known.message, f"{known.hint + '; ' if known.hint else ''}log: {log}") from None
        last = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise RunError(f"the pipeline failed: {last}", f"log: {log}") from error


def _run_beam(where: Where, run: Run, plan: Plan) -> Counter[str]:
    """Run a plan where it is to be run."""
    if where.shares_memory:
        return _run_here(plan, where.options)
    if where.workers:
        from pipeline.cluster.local import run_on_workers

        work = run_on_workers(plan, where.workers, run.folder.log, where.options)
        run.workers.extend(work.workers)
        return work.tally
    from pipeline.cluster.remote import run_on_runner

    return run_on_runner(plan, where)


def _run_here(plan: Plan, options: Sequence[str]) -> Counter[str]:
    """Run the flow in this process, a wave of rows at a time: FnApiRunner holds all that it groups in memory.

    It is named, for the default runner first tries to download a binary. Types are mypy's business: Beam's checker does
    not know generic classes.
    """
    tally: Counter[str] = Counter()
    with keeping_engine(), few_collections():
        for wave in plan.waves():
            lifetime.check_stop()
            beams = PipelineOptions(list(options), pipeline_type_check=False)
            pipeline = beam.Pipeline(runner=FnApiRunner(), options=beams)
            build_flow(pipeline, wave)
            with handing_over():
                result = pipeline.run()
                result.wait_until_finish()
            tally += metrics.totals(result)
            gc.collect()
    return tally
