"""What this process owes the world: to close what it opened, to stop when asked, and to say why it failed.

Beam gives steps a `teardown`, but promises nothing when a run fails or is interrupted, and tells the caller only a
traceback. So steps register here what must be closed, ask here whether to go on, and leave here the error that ended
them; the driver reads it when the pipeline has returned. All of it is per process: a cluster's workers have their own.
"""

import threading
from typing import Protocol

from pipeline.errors import Interrupted, RunError


class Closing(Protocol):
    """Something that must be closed before the process's run is over; closing twice does nothing."""

    def close(self) -> None: ...


_lock = threading.Lock()
_open: list[Closing] = []
_stop = threading.Event()
_error: RunError | None = None


def begin() -> None:
    """Forget the last run: nothing is stopping and nothing has failed."""
    global _error
    _stop.clear()
    _error = None


def opened(thing: Closing) -> None:
    """Remember to close it."""
    with _lock:
        _open.append(thing)


def closed(thing: Closing) -> None:
    """It was closed by its owner."""
    with _lock:
        if thing in _open:
            _open.remove(thing)


def close_all() -> None:
    """Close whatever is still open, the last opened first. Every one is tried; the first error is raised at the end."""
    errors = []
    while True:
        with _lock:
            if not _open:
                break
            thing = _open.pop()
        try:
            thing.close()
        except Exception as error:  # noqa: BLE001 - one that fails must not keep the others open
            errors.append(error)
    if errors:
        raise errors[0]


def request_stop() -> None:
    """Ask all steps to stop soon. Safe to call from a signal handler."""
    _stop.set()


def check_stop() -> None:
    """Raise `Interrupted` if a stop was asked for. Steps call it wherever they may have been at work for a while."""
    if _stop.is_set():
        raise fail(Interrupted("interrupted"))


def fail(error: RunError) -> RunError:
    """Leave the error that ends the run; the first one stays. Returns it, to be raised."""
    global _error
    with _lock:
        _error = _error or error
    return error


def failure() -> RunError | None:
    """The error that ended the run, if a step left one."""
    return _error
