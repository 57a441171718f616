"""The flow on worker processes of this machine, by Beam's portable path: a job server, and a pool of SDK workers.

A worker that is killed takes its bundle with it, and Beam's job server waits for it for ever. So the driver looks after
the workers: when one is lost, the others end in good order, all are started again, and the wave is run again: what was
answered is in the store, and only what was in flight is asked twice.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from pipeline import lifetime, metrics
from pipeline.budget import after
from pipeline.cluster.job_server import JobServer
from pipeline.cluster.pool import WorkerPool
from pipeline.cluster.reports import Report, sum_of
from pipeline.cluster.spread import spread
from pipeline.errors import RunError
from pipeline.flow import Plan, build_flow

_LOG = logging.getLogger(__name__)

_MAX_BARREN_LOSSES = 3
"""Losses in a row without an answer between them that end the run."""
_POLL_SECONDS = 0.2
_LAST_WORDS_SECONDS = 1.5
_SPENT = (
    *(metrics.SENT, metrics.PROMPT_TOKENS, metrics.CACHED_PROMPT_TOKENS, metrics.OUTPUT_TOKENS),
    *(metrics.REASONING_TOKENS, metrics.ENGINE_STARTS, metrics.ENGINE_DEATHS, metrics.ENGINE_START_US),
    *(metrics.ENGINE_US, metrics.ROWS_BEGUN),
)
"""What was spent is spent, also by work that was lost; what became of rows is counted when they come out."""


class WorkerLostError(Exception):
    """A worker process, or the job server, is not there any more."""


@dataclass(frozen=True)
class Work:
    """What the workers did.

    Attributes:
        tally: the counters of the run.
        workers: what each process counted, those that were lost and started again each for itself.
    """

    tally: Counter[str]
    workers: tuple[Report, ...]


def run_on_workers(plan: Plan, number: int, log: Path, options: Sequence[str] = ()) -> Work:
    """Run a plan on so many worker processes, wave by wave.

    Args:
        log: the file that their words go to.
        options: Beam's, for filesystems.

    Raises:
        RunError: if a step cannot go on, or workers are lost again and again.
        Interrupted: if a stop was asked for; what was answered is kept.
    """
    waves = deque(spread(plan, number).waves())
    tally, past, barren = Counter[str](), list[Report](), 0
    while waves:
        done: Counter[str] = Counter()
        cluster = _Cluster(plan, number, log, options)
        try:
            with cluster:
                metrics.follow(partial(_counted, cluster, tally.copy()))
                while waves:
                    done += cluster.run(waves[0])
                    waves.popleft()
        except WorkerLostError as error:
            _LOG.warning("%s; all workers are started again", error)
            spent = cluster.counted() - done
            barren = 0 if spent[metrics.STORED] or done else barren + 1
            if barren >= _MAX_BARREN_LOSSES:
                message = f"{error}, {barren} times in a row without an answer between"
                raise lifetime.fail(RunError(message, "is there memory for so many engines?")) from None
            tally += _kept(spent)
            gone = sum_of([*past, *cluster.reports])
            waves = deque(replace(wave, budget=after(wave.budget, gone)) for wave in waves)
        tally += done
        past += cluster.reports
    return Work(tally, tuple(past))


def _counted(cluster: "_Cluster", before: Counter[str]) -> Counter[str]:
    """What all workers have counted by now, and what stays of clusters before them."""
    return cluster.counted() + before


def _kept(spent: Counter[str]) -> Counter[str]:
    """Of the counters of work that was lost, what the run's have to have, too."""
    kept = Counter({name: number for name, number in spent.items() if name in _SPENT})
    kept[metrics.UNIQUE] = spent[metrics.STORED]  # the next try finds them as answers of this run's
    kept[metrics.WORKERS_LOST] = 1
    return kept


class _Cluster:
    """A job server and a pool, while the block runs."""

    def __init__(self, plan: Plan, number: int, log: Path, options: Sequence[str]) -> None:
        self._server = JobServer(log)
        self._pool = WorkerPool(number, log, options, [type(plan.task).__module__])
        self._number, self._options = number, options
        self.reports: list[Report] = []

    def __enter__(self) -> "_Cluster":
        self._server.__enter__()
        try:
            self._pool.__enter__()
        except BaseException:
            self._server.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._pool.stop()
            self.reports = self._pool.reports()
            self._pool.__exit__(None, None, None)
        finally:
            self._server.__exit__(None, None, None)

    def counted(self) -> Counter[str]:
        """What all workers have counted by now."""
        return sum_of(self.reports or self._pool.reports())

    def run(self, wave: Plan) -> Counter[str]:
        """Run one wave; returns Beam's counters.

        Raises:
            WorkerLostError: if a process has ended meanwhile.
            RunError: what a step left as its error; else what Beam says.
        """
        options = PipelineOptions(
            [
                *self._options,  # first: of two that name the same the last one counts
                f"--job_endpoint={self._server.address}",
                "--environment_type=EXTERNAL",
                f"--environment_config={self._pool.address}",
                f"--direct_num_workers={self._number}",
                "--experiments=disable_logging_submission_environment",  # a `pip freeze` for each wave
            ],
            pipeline_type_check=False,
        )
        from apache_beam.runners.portability.portable_runner import PortableRunner

        pipeline = beam.Pipeline(runner=PortableRunner(), options=options)
        build_flow(pipeline, wave)
        result = pipeline.run()
        while not PipelineState.is_terminal(self._state_of(result)):
            time.sleep(_POLL_SECONDS)
            self._look_after()
        try:
            result.wait_until_finish()
        except Exception:
            self._raise_known()
            raise
        return metrics.totals(result)

    def _state_of(self, result: Any) -> Any:
        """Beam's state of the job. Its `wait_until_finish` would wait for a lost worker for ever."""
        try:
            return result.state
        except grpc.RpcError:
            self._look_after()
            raise

    def _look_after(self) -> None:
        lifetime.check_stop()
        if lost := self._pool.lost():
            raise WorkerLostError("; ".join(lost))
        if not self._server.is_alive:
            raise WorkerLostError("the job server is gone")

    def _raise_known(self) -> None:
        """Raise what a step has left as the run's error; workers say so within a moment."""
        for _ in range(round(_LAST_WORDS_SECONDS / _POLL_SECONDS)):
            for error in filter(None, (report.error for report in self._pool.reports())):
                raise lifetime.fail(error)
            self._look_after()
            time.sleep(_POLL_SECONDS)
