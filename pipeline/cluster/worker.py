"""A worker process: `python -m pipeline.cluster.worker`, one SDK harness after another, one engine for all of them.

Standard input has a line of JSON for each harness that is to be run. When it ends, so does the process: a driver that
is killed leaves no worker behind.
"""

import gc
import importlib.util
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import budget, lifetime
from pipeline.cluster.reports import keep_reporting, report_now
from pipeline.engine_holder import engine_is_in_use, keeping_engine
from pipeline.memory import few_collections

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 20.0


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is told when it starts.

    Attributes:
        number, of: which worker it is, from 0, of how many.
        report: the file it reports to.
        options: Beam's pipeline options, for filesystems.
        modules: name → file of modules that cannot be imported by name: a user's tasks.
    """

    number: int
    of: int
    report: str
    options: tuple[str, ...]
    modules: dict[str, str]

    def as_argument(self) -> str:
        """One argument of a command line."""
        return json.dumps(asdict(self))


def main() -> None:
    """Run harnesses; `_stop` ends the process, on SIGTERM or when standard input ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = WorkerSettings(**json.loads(sys.argv[1]))
    _prepare(settings)
    file = Path(settings.report)
    threading.Thread(target=keep_reporting, args=(file,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=_stop, args=(file,), daemon=True).start())
    harnesses: queue.Queue[dict[str, str]] = queue.Queue()
    threading.Thread(target=_listen, args=(harnesses, file), daemon=True).start()
    with keeping_engine(), few_collections():
        while True:
            asked = harnesses.get()
            _run_harness(asked["control"], asked["worker_id"])
            gc.collect()
            report_now(file)


def _prepare(settings: WorkerSettings) -> None:
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    FileSystems.set_options(PipelineOptions(list(settings.options)))
    for name, path in settings.modules.items():
        _load(name, path)
    budget.share(settings.number, settings.of)
    _take_cores(settings.number, settings.of)


def _load(name: str, path: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _take_cores(number: int, of: int) -> None:
    """Stay on a share of the cores: two engines on the same ones slow each other down to a crawl."""
    cores = sorted(os.sched_getaffinity(0))
    if own := cores[number * len(cores) // of : (number + 1) * len(cores) // of]:
        os.sched_setaffinity(0, own)


def _run_harness(control: str, worker_id: str) -> None:
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    lifetime.begin()
    try:
        SdkHarness(control, worker_id=worker_id, state_cache_size=100 << 20).run()
    except Exception:  # noqa: BLE001 - the job server is gone: another one may follow
        _LOG.exception("the harness ended")


def _listen(harnesses: queue.Queue[dict[str, str]], report: Path) -> None:
    """Queue what standard input says; its end means that the driver is gone."""
    for line in sys.stdin:
        harnesses.put(json.loads(line))
    _stop(report)


def _stop(report: Path) -> None:
    """End the process in good order: steps at work stop, answers are kept, the engine is closed."""
    lifetime.request_stop()
    deadline = time.monotonic() + _STOP_SECONDS
    while engine_is_in_use() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        lifetime.close_all()
        report_now(report)
    except Exception:  # noqa: BLE001 - the process ends, whatever it is
        _LOG.exception("not everything could be closed")
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
