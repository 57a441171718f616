"""What a worker process says of itself, in a small file that the driver reads.

Beam's own counters reach the driver when a pipeline has ended, and an error as a traceback in a string. Progress, a
budget and one clear line need both earlier, and so does what a worker has spent that is killed.
"""

import json
import resource
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline import errors, lifetime, metrics
from pipeline.errors import RunError

_REFRESH_SECONDS = 0.5
_KIB = 1024
_lock = threading.Lock()


@dataclass(frozen=True)
class Report:
    """One worker process.

    Attributes:
        counters: what it has counted since it started, by the names of `pipeline.metrics`.
        peak_memory_bytes: the most that it had in memory.
        failure: the class, message and hint of the error that ended its work, if one did.
    """

    counters: dict[str, int] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    failure: tuple[str, str, str] | None = None

    @property
    def error(self) -> RunError | None:
        """The failure as what it was."""
        if self.failure is None:
            return None
        name, message, hint = self.failure
        kind = getattr(errors, name, RunError)
        return RunError(message, hint) if not issubclass(kind, RunError) else kind(message, hint)


def report_now(file: Path) -> None:
    """Write this process's report, whole; a disk that refuses it does not stop the work."""
    error = lifetime.failure()
    failure = (type(error).__name__, error.message, error.hint) if error else None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    scratch = file.with_suffix(".tmp")
    with _lock, suppress(OSError):
        scratch.write_text(json.dumps(asdict(Report(dict(metrics.board()), peak, failure))), encoding="utf-8")
        scratch.replace(file)


def keep_reporting(file: Path) -> None:
    """Write the report twice a second."""
    while True:
        time.sleep(_REFRESH_SECONDS)
        report_now(file)


def read_report(file: Path) -> Report:
    """What a worker last said; nothing of one that has not said anything yet."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Report()
    failure = tuple(found["failure"]) if found["failure"] else None
    return Report(found["counters"], found["peak_memory_bytes"], failure)


def sum_of(reports: list[Report]) -> Counter[str]:
    """The counters of all."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update(report.counters)
    return total
