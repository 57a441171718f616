"""How what travels is written down between Beam's steps: as Beam does it, but not more often than it must be.

For its metrics Beam estimates the size of the first elements of every step, and of some later ones, by encoding them.
Blocks are few and large, so that is nearly all of them, encoded once more: 1.06 times the processor time of a run of
40,000 rows (median of 5 pairs, the scripted engine).

Where all steps run in one process, a block need not be written down at all: it waits on a shelf, and what Beam carries
is its number there. That saves time and costs memory, five times that of what is written down, so the shelf has room
for so many items only; blocks that find none are written down. A block is taken from the shelf once: what a step yields
is read by one step, which Beam's in-memory runner calls once for each element.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder
from apache_beam.coders.coder_impl import CoderImpl, StreamCoderImpl

from pipeline.elements import Block
from pipeline.errors import RunError

_BLOCK_BYTES = 100_000
"""Of any element, roughly: for Beam's metrics only."""
_SHELF_ITEMS = 250_000
"""About 330 MB of short reviews that each ask one question."""
_WRITTEN, _SHELVED = 0, 1


class _Shelf:
    """Blocks on their way from step to step of this process; each is taken once."""

    def __init__(self) -> None:
        self._blocks: dict[int, Block[Any]] = {}
        self._numbers = count()
        self._num_items = 0
        self._is_open = False

    def open(self) -> None:
        """Take blocks from now on."""
        self._is_open = True

    def put(self, block: Block[Any]) -> int | None:
        """Keep a block; returns the number to take it by, or None if there is no room, or the shelf is not open."""
        if not self._is_open or self._num_items + len(block) > _SHELF_ITEMS:
            return None
        number = next(self._numbers)
        self._blocks[number] = block
        self._num_items += len(block)
        return number

    def take(self, number: int) -> Block[Any]:
        """The block, which is not here any more."""
        block = self._blocks.pop(number)
        self._num_items -= len(block)
        return block

    def close(self) -> int:
        """Keep nothing any more, and take nothing; returns how many blocks nobody has taken."""
        left = len(self._blocks)
        self._is_open, self._num_items = False, 0
        self._blocks.clear()
        return left


_shelf = _Shelf()


@contextmanager
def handing_over() -> Iterator[None]:
    """Hand blocks over as they are, from step to step: for a pipeline whose steps all run in this process.

    Raises:
        RunError: if a block was not taken, though nothing failed.
    """
    _shelf.open()
    try:
        yield
    finally:
        left = _shelf.close()
    if left:
        raise RunError(f"{left} blocks were not taken (a bug in Textmill)")


class BlockCoder(FastPrimitivesCoder):
    """Beam's coder for elements of any type, where the estimate of a size costs nothing."""

    def _create_impl(self) -> CoderImpl:
        return _BlockCoderImpl(FastPrimitivesCoder().get_impl())


class _BlockCoderImpl(StreamCoderImpl):
    def __init__(self, impl: CoderImpl) -> None:
        self._impl = impl

    def encode_to_stream(self, value: Any, stream: Any, nested: bool) -> None:
        number = _shelf.put(value) if type(value) is Block else None
        if number is None:
            stream.write_byte(_WRITTEN)
            self._impl.encode_to_stream(value, stream, nested)
        else:
            stream.write_byte(_SHELVED)
            stream.write_var_int64(number)

    def decode_from_stream(self, stream: Any, nested: bool) -> Any:
        if stream.read_byte() == _SHELVED:
            return _shelf.take(stream.read_var_int64())
        return self._impl.decode_from_stream(stream, nested)

    def estimate_size(self, value: Any, nested: bool = False) -> int:
        return _BLOCK_BYTES

    def get_estimated_size_and_observables(self, value: Any, nested: bool = False) -> tuple[int, list[Any]]:
        return _BLOCK_BYTES, []


@cache
def register_block_coder() -> None:
    """Have all pipelines of this process use it, from now on; their types are not known to Beam."""
    beam.coders.registry.register_fallback_coder(BlockCoder)
