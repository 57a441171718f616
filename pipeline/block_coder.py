"""How what travels is written down between Beam's steps: as Beam does it, but not more often than it must be.

For its metrics Beam estimates the size of the first elements of every step, and of some later ones, by encoding them.
Blocks are few and large, so that is nearly all of them, encoded once more: 1.06 times the processor time of a run of
40,000 rows (median of 5 pairs, the scripted engine).

Where all steps run in one process, a block need not be written down at all: it waits on a shelf, and what Beam carries
is its number there.
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

_BLOCK_BYTES = 100_000
"""Of any element, roughly: for Beam's metrics only."""
_WRITTEN, _SHELVED = 0, 1


class _Shelf:
    """Blocks on their way from step to step of this process; each is taken once."""

    def __init__(self) -> None:
        self._blocks: dict[int, Block[Any]] = {}
        self._numbers = count()
        self.is_open = False

    def put(self, block: Block[Any]) -> int:
        """Keep a block; returns the number to take it by."""
        number = next(self._numbers)
        self._blocks[number] = block
        return number

    def take(self, number: int) -> Block[Any]:
        """The block, which is not here any more."""
        return self._blocks.pop(number)

    def clear(self) -> None:
        """Leave nothing here; numbers are not given again."""
        self._blocks.clear()


_shelf = _Shelf()


@contextmanager
def handing_over() -> Iterator[None]:
    """Hand blocks over as they are, from step to step: for a pipeline whose steps all run in this process.

    What nobody has taken at the end, because the pipeline failed, is let go.
    """
    _shelf.is_open = True
    try:
        yield
    finally:
        _shelf.is_open = False
        _shelf.clear()


class BlockCoder(FastPrimitivesCoder):
    """Beam's coder for elements of any type, where the estimate of a size costs nothing."""

    def _create_impl(self) -> CoderImpl:
        return _BlockCoderImpl(FastPrimitivesCoder().get_impl())


class _BlockCoderImpl(StreamCoderImpl):
    def __init__(self, impl: CoderImpl) -> None:
        self._impl = impl

    def encode_to_stream(self, value: Any, stream: Any, nested: bool) -> None:
        if _shelf.is_open and type(value) is Block:
            stream.write_byte(_SHELVED)
            stream.write_var_int64(_shelf.put(value))
        else:
            stream.write_byte(_WRITTEN)
            self._impl.encode_to_stream(value, stream, nested)

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
