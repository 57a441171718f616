"""What a run asks of the memory management of Python, and of C."""

import ctypes
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

_YOUNG, _MIDDLE_AGED = 0, 1
"""Generations of objects, to Python's collector."""
_YOUNG_ROUNDS = 20
_COLLECT_SECONDS = 60.0
_COLLECT = gc.collect

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Names of `mallopt`'s parameters. Source: glibc 2.36, `malloc.h`."""
_KEEPING = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 64 << 20}
_OF_THE_USER = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")


def keep_freed_blocks() -> bool:
    """Have C's `malloc` keep blocks that are freed, up to 1 GB each, for the next ones; returns whether it does.

    In every step a model on a CPU takes blocks of tens of megabytes for what passes from layer to layer, and frees
    them. glibc gives those above 32 MB back to the system each time, which fills the next one with zeros, page by page.
    Another C library is left as it is, and so is what the user has set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in _OF_THE_USER):
        return False
    num_set: int = sum(mallopt(parameter, value) for parameter, value in _KEEPING.items())
    return num_set == len(_KEEPING)


def give_back_freed_blocks() -> None:
    """Give the system what was freed and kept: when an engine is closed, and others may need the memory."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


@contextmanager
def no_collections() -> Iterator[None]:
    """Let nothing look for garbage meanwhile, not even who says `gc.collect`: for the calls of a library.

    vLLM looks through all modules twice when it shuts down, half a second each time, also where the process ends next.
    """
    gc.collect = _find_nothing
    try:
        yield
    finally:
        gc.collect = _COLLECT


def _find_nothing(generation: int = 2) -> int:
    return 0


@contextmanager
def few_collections() -> Iterator[None]:
    """Look for garbage among young objects only, and once a minute; call `gc.collect` between waves.

    What a wave holds is millions of small objects, none of them garbage. To look through all of them again and again,
    as Python does by itself, is a fifth of the pipeline's time, and a third of a re-run's; to look at each of them once
    is still a tenth. What is there before is not looked through at all, modules for the most part: a tenth of a
    second, and more in a program that has more of them.
    """
    is_over = threading.Event()
    looking = threading.Thread(target=_look_now_and_then, args=(is_over,), name="garbage", daemon=True)
    looking.start()
    was_enabled = gc.isenabled()
    gc.collect(_MIDDLE_AGED)
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        is_over.set()
        looking.join()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def _look_now_and_then(is_over: threading.Event) -> None:
    """Among what has come since the last time; now and then also among what had come since the last time of that."""
    for number in count(1):
        if is_over.wait(_COLLECT_SECONDS):
            return
        gc.collect(_MIDDLE_AGED if number % _YOUNG_ROUNDS == 0 else _YOUNG)
