"""Ctrl-C and SIGTERM, for as long as a run lasts: what they do depends on what the run is doing."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from jobs.terminal import Terminal
from pipeline import lifetime

_BOTH = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """What the two signals do to the run that the main thread is at; a run in another thread is left alone.

    Until `defer` or `drain` is called, a signal raises `KeyboardInterrupt`: nothing was spent.

    Args:
        terminal: told when the run will take a moment to stop.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._is_ours = threading.current_thread() is threading.main_thread()
        self._before = {number: signal.getsignal(number) for number in _BOTH} if self._is_ours else {}

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle them while the block runs."""
        self._set(_raise)
        try:
            yield
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def drain(self) -> None:
        """From now on a signal lets the run end in good order, its answers kept; a second one ends it at once."""
        self._set(self._stop)

    def defer(self) -> None:
        """From now on the run is as good as over, and a signal comes too late; a second one ends it at once."""
        self._set(_once)

    def _set(self, handler: object) -> None:
        if self._is_ours:
            for number in _BOTH:
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _stop(self, number: int, _: FrameType | None) -> None:
        lifetime.request_stop()
        signal.signal(number, signal.SIG_DFL)
        self._terminal.console.print("  stopping: keeping what is answered (once more to stop at once) …", style="dim")


def _raise(number: int, _: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def _once(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
