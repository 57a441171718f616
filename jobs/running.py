"""What every execution has around its work: a claim on the output, a log, a clock, a state that others can see."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jobs.terminal import chatter_to
from pipeline import lifetime
from pipeline.errors import Interrupted, RunError, UsageError, first_line
from pipeline.layout import LOG_NAME
from pipeline.run_folder import RunFolder
from pipeline.run_state import StateFile
from schemas.run_state import RUN_STATE_NAME, Phase, RunState


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


@dataclass(frozen=True)
class Run:
    """One execution, from the claim of its output to the commit."""

    run_id: str
    started: datetime
    clock: Stopwatch
    folder: RunFolder
    state: StateFile


@contextmanager
def running(output: str, task: str) -> Iterator[Run]:
    """Hold an output while the block runs and commits to it.

    If the block ends with an error, what it built is removed. Of a run that was interrupted its state stays, of one
    that failed also the log; of one that spent nothing, nothing does.

    Raises:
        UsageError: if the output cannot be claimed.
    """
    started = datetime.now(UTC)
    if "://" in output:
        raise UsageError(f"the output {output} is not a local folder", "write to a local disk and copy it from there")
    folder = RunFolder(Path(output).expanduser().absolute(), f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")
    folder.open()
    lifetime.begin()
    keep: set[str] = set()
    try:
        first = RunState(run_id=folder.run_id, task=task, pid=os.getpid(), host=socket.gethostname(), started=started)
        run = Run(folder.run_id, started, Stopwatch(), folder, StateFile(folder.building, first))
        try:
            with chatter_to(folder.log):
                yield run
        except (Interrupted, KeyboardInterrupt):
            keep = {RUN_STATE_NAME}
            run.state.end(Phase.INTERRUPTED)
            raise
        except Exception as error:
            if not isinstance(error, UsageError) or run.state.state.rows is not None:
                keep = {RUN_STATE_NAME, LOG_NAME}
                run.state.end(Phase.FAILED, error.message if isinstance(error, RunError) else first_line(error))
            raise
    finally:
        folder.release(keep)
