"""What a run asks of Python's memory management."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG, _YOUNG_ROUNDS, _NEVER = 50_000, 20, 1_000_000
_MIDDLE_AGED = 1
_COLLECT = gc.collect


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
    """Look for garbage among young objects only, and seldom; call `gc.collect` between waves.

    What a wave holds is millions of small objects, none of them garbage. To look through all of them again and again,
    as Python does by itself, is a fifth of the pipeline's time, and a third of a re-run's. What is there before is not
    looked through at all, modules for the most part: a tenth of a second, and more in a program that has more of them.
    """
    before = gc.get_threshold()
    gc.collect(_MIDDLE_AGED)
    gc.freeze()
    gc.set_threshold(_YOUNG, _YOUNG_ROUNDS, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
