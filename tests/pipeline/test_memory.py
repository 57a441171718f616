"""Python's collector is set back as it was, and finds the cycles of a wave."""

import gc
import weakref
from contextlib import suppress

from pipeline.memory import few_collections, no_collections


class Node:
    def __init__(self) -> None:
        self.me = self


def test_it_is_set_back_however_it_ends() -> None:
    before = gc.get_threshold()
    with suppress(RuntimeError), few_collections():
        assert gc.isenabled()
        assert gc.get_threshold()[2] > before[2]
        raise RuntimeError
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_a_cycle_is_found_between_waves() -> None:
    with few_collections():
        gone = weakref.ref(Node())
        gc.collect()
        assert gone() is None


def test_nobody_collects_meanwhile_and_everybody_afterwards() -> None:
    with suppress(RuntimeError), no_collections():
        gone = weakref.ref(Node())
        assert gc.collect() == 0
        assert gone() is not None
        raise RuntimeError
    gc.collect()
    assert gone() is None
