"""Forked children: everything is imported once, each run costs half a second, and a crash is seen for what it is."""

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CRASHED = 70
"""Exit code of a child that ended in a traceback."""


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        code: its exit code; negative: the signal that ended it; None: it was still at work at its deadline.
        err: what it wrote to standard error.
        seconds: since it was started.
    """

    code: int | None
    err: str
    seconds: float


class Child:
    """A function at work in a process group of its own.

    Args:
        work: its return value is the exit code.
        folder: where standard output and error go, and what is the current folder.
    """

    def __init__(self, work: Callable[[], int], folder: Path) -> None:
        self._err = folder / "stderr.txt"
        self._reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reading)
            os.set_inheritable(writing, True)
            _become(work, folder, self._err, writing)
        os.close(writing)
        self.marks = b""

    def listen(self, seconds: float) -> bytes:
        """What the child has told through `mark` so far, after waiting for more of it for at most some seconds."""
        if select.select([self._reading], [], [], seconds)[0] and not self._hear():
            time.sleep(seconds)  # it has closed its end
        return self.marks

    def send(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens if it has ended."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def is_alive(self) -> bool:
        """Whether it is still at work; it stays a zombie until `wait`."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self, deadline_seconds: float) -> Ended:
        """Wait for its end; past the deadline it is killed."""
        deadline = time.monotonic() + deadline_seconds
        while (alive := self.is_alive()) and time.monotonic() < deadline:
            self.listen(0.02)
        if alive:
            self.send(signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        while not alive and select.select([self._reading], [], [], 0)[0] and self._hear():
            pass
        os.close(self._reading)
        err = self._err.read_text(encoding="utf-8", errors="replace") if self._err.exists() else ""
        code = None if alive else os.waitstatus_to_exitcode(status)
        return Ended(code, err, time.monotonic() - self._started)

    def _hear(self) -> bool:
        chunk = os.read(self._reading, 65536)
        self.marks += chunk
        return bool(chunk)


_marking = -1


def mark(letter: bytes) -> None:
    """In a child: tell the parent what it is at."""
    os.write(_marking, letter)


def _become(work: Callable[[], int], folder: Path, err: Path, writing: int) -> None:
    global _marking
    _marking = writing
    code = CRASHED
    try:
        os.setsid()
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDWR)
        sink = os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for number, target in ((0, nothing), (1, nothing), (2, sink)):
            os.dup2(target, number)
        code = work()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - a child must never go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)
