"""The flow on one of Beam's runners: one pipeline, no waves, and as many workers as the runner gives it."""

import logging
import threading
from collections import Counter
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from pipeline import lifetime, metrics
from pipeline.cluster.spread import spread
from pipeline.cluster.where import Where, new_pipeline
from pipeline.errors import UsageError
from pipeline.flow import Plan, build_flow
from pipeline.layout import RESULTS
from pipeline.merge import count_files
from schemas.results import CHECKS_COLUMN

_LOG = logging.getLogger(__name__)

_POLL_SECONDS, _METRICS_SECONDS = 0.2, 5.0
_PROCESSES = 64
"""How many may be at work: not known here. More make some wait, fewer do a few more small bundles."""


def run_on_runner(plan: Plan, where: Where) -> Counter[str]:
    """Run a plan where it is asked for; returns what its workers counted.

    A runner that tries a bundle again may count what it did twice; what became of results is counted from the files.

    Raises:
        UsageError: if Beam cannot make the runner, or does not take its options.
        Interrupted: if a stop was asked for; the job is cancelled, and what was answered is kept.
    """
    pipeline = make_pipeline(plan, where)
    try:
        result = pipeline.run()
    except ImportError as error:
        raise lifetime.fail(UsageError(f"Beam cannot run on {where.runner}: {error}")) from None
    counted: Counter[str] = Counter()
    failed: list[BaseException] = []
    done = threading.Event()
    waiting = threading.Thread(target=_wait, args=(result, failed, done), daemon=True)
    waiting.start()
    metrics.follow(partial(_elsewhere, counted))
    polls = 0
    while not done.wait(_POLL_SECONDS):
        polls += 1
        if polls * _POLL_SECONDS % _METRICS_SECONDS < _POLL_SECONDS:
            counted |= _counters_now(result)
        try:
            lifetime.check_stop()
        except Exception:
            result.cancel()
            raise
    if failed:
        raise failed[0]
    counted |= (found := metrics.totals(result))
    return _recounted(found, plan)


def _recounted(tally: Counter[str], plan: Plan) -> Counter[str]:
    """The counters, with rows and results as they are in the files."""
    from_files = (metrics.FAILED, "check.")
    kept = Counter({name: n for name, n in tally.items() if name != metrics.OK and not name.startswith(from_files)})
    kept[metrics.ROWS] = plan.rows
    written = FileSystems.match([f"{plan.folder}/{RESULTS}/*.parquet"])[0].metadata_list
    return kept + count_files([file.path for file in written], CHECKS_COLUMN in plan.layout.result.names)


def make_pipeline(plan: Plan, where: Where) -> beam.Pipeline:
    """The whole pipeline of a plan, for workers that are other processes.

    Raises:
        UsageError: if Beam cannot make the runner, or does not take its options.
    """
    pipeline = new_pipeline(where)
    build_flow(pipeline, spread(plan, _PROCESSES))
    return pipeline


def _elsewhere(counted: Counter[str]) -> Counter[str]:
    """What was not counted in this process, where Beam's loopback workers are."""
    return counted - metrics.own()


def _wait(result: Any, failed: list[BaseException], done: threading.Event) -> None:
    try:
        result.wait_until_finish()
    except Exception as error:  # noqa: BLE001 - the driver raises it
        failed.append(error)
    finally:
        done.set()


def _counters_now(result: Any) -> Counter[str]:
    """What the runner says of a job that runs; nothing, if it does not say anything yet."""
    try:
        if hasattr(result, "_metrics"):
            result._metrics = None  # Beam's portable result asks once, and never again
        return metrics.totals(result)
    except Exception as error:  # noqa: BLE001 - progress is not worth a run
        _LOG.info("no metrics yet: %s", error)
        return Counter()
