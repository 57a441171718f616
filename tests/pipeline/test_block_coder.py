"""What travels is encoded when it is sent, and not for Beam's metrics; in one process it is not encoded at all."""

from contextlib import suppress

import apache_beam as beam
import pytest
from apache_beam.coders import WindowedValueCoder
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindows

from pipeline.block_coder import BlockCoder, handing_over, register_block_coder
from pipeline.elements import Block
from pipeline.errors import RunError
from tests.counted import Counted


def test_elements_come_back_as_they_were() -> None:
    coder = BlockCoder()
    for element in (Block([1, "two"]), (7, Block([None])), "text", None):
        back = coder.decode(coder.encode(element))
        assert (back, type(back)) == (element, type(element))


def test_the_size_of_a_block_is_estimated_without_encoding_it() -> None:
    impl = WindowedValueCoder(BlockCoder()).get_impl()
    before = Counted.times
    size, observables = impl.get_estimated_size_and_observables(GlobalWindows.windowed_value(Block([Counted()])))
    assert size > 0
    assert not observables
    assert Counted.times == before


def test_a_block_that_is_handed_over_is_the_same_one_and_is_taken_once() -> None:
    coder, block = BlockCoder(), Block([Counted()])
    before = Counted.times
    with handing_over():
        first, second = coder.encode(block), coder.encode(block)
        assert first != second
        assert coder.decode(second) is coder.decode(first) is block
        with pytest.raises(KeyError):
            coder.decode(first)
        assert coder.decode(coder.encode("text")) == "text"  # whatever else travels is written down
    assert Counted.times == before


def test_nothing_is_handed_over_beyond_the_end_of_a_pipeline() -> None:
    coder, block = BlockCoder(), Block([Counted()])
    before = Counted.times
    with suppress(ZeroDivisionError), handing_over():
        left = coder.encode(block)
        raise ZeroDivisionError  # a pipeline that fails leaves blocks behind
    with pytest.raises(KeyError):
        coder.decode(left)
    coder.encode(block)
    assert Counted.times == before + 1
    with handing_over():
        assert coder.decode(coder.encode(block)) is block  # there is room again


def test_a_block_that_nobody_took_is_an_error() -> None:
    with pytest.raises(RunError, match="1 blocks were not taken"), handing_over():
        BlockCoder().encode(Block([1]))


def test_blocks_that_find_no_room_are_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.block_coder._SHELF_ITEMS", 5)
    coder, blocks = BlockCoder(), [Block([1, 2, 3]), Block([4, 5, 6]), Block([7, 8])]
    with handing_over():
        back = [coder.decode(one) for one in [coder.encode(block) for block in blocks]]
    assert back == blocks
    assert [one is block for one, block in zip(back, blocks, strict=True)] == [True, False, True]


def _pickled_by_a_pipeline() -> int:
    register_block_coder()
    before = Counted.times
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        grouped = pipeline | beam.Create(range(5)) | beam.FlatMap(_blocks) | beam.GroupByKey()
        _ = grouped | beam.MapTuple(lambda number, blocks: sum(len(block) for block in blocks))
    return Counted.times - before


def _blocks(number: int) -> list[tuple[int, Block[Counted]]]:
    return [(number, Block([Counted()]))]


def test_a_pipeline_encodes_a_block_once_for_a_shuffle() -> None:
    assert _pickled_by_a_pipeline() == 5  # into the shuffle; Beam itself does it three times


def test_a_pipeline_in_one_process_encodes_no_block() -> None:
    with handing_over():
        assert _pickled_by_a_pipeline() == 0
