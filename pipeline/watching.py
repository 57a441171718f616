"""A thread beside a block of work, to say how far it is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def watching(watch: Callable[[threading.Event], None]) -> Iterator[None]:
    """Let `watch` run in a thread while the block runs; the event that it is given is set when the block has ended."""
    done = threading.Event()
    thread = threading.Thread(target=watch, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
