"""Python's collector is set back as it was, and finds the cycles of a wave; C's `malloc` keeps what is freed."""

import ctypes
import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from contextlib import suppress

import pytest

from pipeline import memory
from pipeline.memory import few_collections, no_collections

_TEN_LARGE_BLOCKS = """
import ctypes, json, resource
import psutil
from pipeline.memory import give_back_freed_blocks, keep_freed_blocks

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def resident():
    return psutil.Process().memory_info().rss

keeps = keep_freed_blocks()
at_first, faults = resident(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    block = libc.malloc(80 << 20)
    libc.memset(block, 1, 80 << 20)
    libc.free(block)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
kept = resident() - at_first
give_back_freed_blocks()
print(json.dumps({"keeps": keeps, "faults": faults, "kept": kept, "after": resident() - at_first}))
"""


class Node:
    def __init__(self) -> None:
        self.me = self


def test_it_is_set_back_however_it_ends() -> None:
    assert gc.isenabled()
    with suppress(RuntimeError), few_collections():
        assert not gc.isenabled()
        raise RuntimeError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_cycle_is_found_in_a_long_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_COLLECT_SECONDS", 0.01)
    found = threading.Event()
    with few_collections():
        weakref.finalize(Node(), found.set)
        assert found.wait(60)


def test_what_lives_long_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle that was in use when it was looked at first."""
    monkeypatch.setattr(memory, "_COLLECT_SECONDS", 0.01)
    seen, found = threading.Event(), threading.Event()
    with few_collections():
        node = Node()
        weakref.finalize(node, found.set)
        weakref.finalize(Node(), seen.set)
        assert seen.wait(60)
        del node
        assert found.wait(60)


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


def _ten_large_blocks(**environment: str) -> dict[str, int]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    command = [sys.executable, "-c", _TEN_LARGE_BLOCKS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**own, **environment})
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library")
def test_large_blocks_are_kept_until_they_are_given_back() -> None:
    kept, given_back = _ten_large_blocks(), _ten_large_blocks(MALLOC_MMAP_THRESHOLD_="131072")
    assert (kept["keeps"], given_back["keeps"]) == (True, False)  # what the user has set stays
    assert kept["faults"] * 5 < given_back["faults"]
    assert kept["kept"] > 60 << 20
    assert kept["after"] < 20 << 20
