"""What every execution has around its work: a claim on the output, a log, a clock, a state that others can see."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

from jobs.signals import Signals
from jobs.terminal import Terminal, chatter_to
from pipeline import lifetime
from pipeline.cluster.reports import Report
from pipeline.energy import EnergyMeter
from pipeline.errors import Interrupted, RunError, UsageError, first_line
from pipeline.layout import LOG_NAME
from pipeline.object_folder import ObjectFolder
from pipeline.pace import PaceMeter
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
    folder: RunFolder | ObjectFolder
    state: StateFile
    signals: Signals
    meter: PaceMeter = field(default_factory=PaceMeter)
    energy: EnergyMeter = field(default_factory=EnergyMeter)
    workers: list[Report] = field(default_factory=list)


@contextmanager
def running(output: str, task: str, terminal: Terminal) -> Iterator[Run]:
    """Hold an output while the block runs and commits to it.

    If the block ends with an error, what it built is removed. Of a run that was interrupted its state stays, of one
    that failed also the log; of one that spent nothing, nothing does.

    Raises:
        UsageError: if the output cannot be claimed.
        RunError: if the disk refuses what is written there.
        Interrupted: if Ctrl-C or SIGTERM came before anything was asked.
    """
    started = datetime.now(UTC)
    folder = _folder(output, f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")
    signals = Signals(terminal)
    keep: set[str] = set()
    lifetime.begin()
    with signals.handled():
        try:
            folder.open()
            first = RunState(
                run_id=folder.run_id, task=task, pid=os.getpid(), host=socket.gethostname(), started=started
            )
            run = Run(folder.run_id, started, Stopwatch(), folder, StateFile(folder.building, first), signals)
            try:
                with chatter_to(folder.log):
                    yield run
            except (Exception, KeyboardInterrupt) as error:
                keep = _say_how_it_ended(run, error)
                raise
        except KeyboardInterrupt:
            raise Interrupted("interrupted before anything was asked", "run the same command again") from None
        except OSError as error:
            raise RunError(f"cannot complete {folder.output}: {error}", f"log: {folder.log}") from error
        finally:
            signals.defer()
            folder.release(keep)


def _say_how_it_ended(run: Run, error: BaseException) -> set[str]:
    """Put it into the run's state; returns what is to stay of the folder."""
    if isinstance(error, Interrupted | KeyboardInterrupt):
        run.state.end(Phase.INTERRUPTED)
        return {RUN_STATE_NAME}
    if isinstance(error, UsageError) and run.state.state.rows is None:
        return set()
    run.state.end(Phase.FAILED, error.message if isinstance(error, RunError) else first_line(error))
    return {RUN_STATE_NAME, LOG_NAME}


def _folder(output: str, run_id: str) -> RunFolder | ObjectFolder:
    """Where the run is built; raises `UsageError` if there is no such place."""
    try:
        if "://" in output:
            FileSystems.get_filesystem(output)
            return ObjectFolder(output, run_id)
        return RunFolder(Path(output).expanduser().absolute(), run_id)
    except ValueError as error:
        raise UsageError(f"cannot use the output {output}: {first_line(error)}") from None
    except RuntimeError as error:
        raise UsageError(f"there is no place {output}: {error}") from None
