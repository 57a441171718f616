"""What travels is encoded when it is sent, and not for Beam's metrics."""

import apache_beam as beam
from apache_beam.coders import WindowedValueCoder
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindows

from pipeline.block_coder import BlockCoder, register_block_coder
from pipeline.elements import Block
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


def _blocks(number: int) -> list[tuple[int, Block[Counted]]]:
    return [(number, Block([Counted()]))]


def test_a_pipeline_encodes_a_block_once_for_a_shuffle() -> None:
    register_block_coder()
    before = Counted.times
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        grouped = pipeline | beam.Create(range(5)) | beam.FlatMap(_blocks) | beam.GroupByKey()
        _ = grouped | beam.MapTuple(lambda number, blocks: sum(len(block) for block in blocks))
    assert Counted.times - before == 5  # into the shuffle; Beam itself does it three times
