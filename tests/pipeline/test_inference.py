"""The step that keeps the engine full: one answer for each request, none lost, one engine, always closed."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline import lifetime, metrics
from pipeline.decoding import Choice, FreeText
from pipeline.elements import Asker, Block, Case, Completion, Failure, Pending, Request, RowRef, in_blocks
from pipeline.engine_holder import keeping_engine
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedEngine, ScriptedSpec
from pipeline.errors import Interrupted, RowError, RunError
from pipeline.inference import Complete, longest_first
from pipeline.prompts import Text
from schemas.envelope import ErrorClass
from schemas.records import TextRecord

NEEDS = EngineNeeds("run", 4096, None)
CHOICE = Choice(("yes", "no"), ("yes", "no"))


def _asked(i: int) -> Pending:
    key = i.to_bytes(16, "big")
    case = Case(RowRef(0, i), TextRecord(text=str(i)))
    return Pending(key, (Asker(case, "answer", 1, truncated=False),), Request(key, (Text(str(i)),), CHOICE))


def _drive(step: Complete, bundles: list[list[int]], size: int = 4) -> list[Pending]:
    answered: list[Pending] = []
    step.setup()
    for bundle in bundles:
        step.start_bundle()
        for block in in_blocks(map(_asked, bundle), size):
            answered += [one for found in step.process(block) for one in found]
        answered += [one for windowed in step.finish_bundle() for one in windowed.value]
    step.teardown()
    return answered


@given(sizes=st.lists(st.integers(0, 40), max_size=6), window=st.integers(1, 50), size=st.integers(1, 50))
def test_each_request_is_answered_once_whatever_bundles_blocks_and_window(
    sizes: list[int], window: int, size: int
) -> None:
    numbers = iter(range(1000))
    bundles = [[next(numbers) for _ in range(size)] for size in sizes]
    answered = _drive(Complete(ScriptedSpec(NEEDS, window=window)), bundles, size)
    assert sorted(int.from_bytes(one.fingerprint, "big") for one in answered) == [i for b in bundles for i in b]
    assert all(one.askers[0].case.ref.position == int.from_bytes(one.fingerprint, "big") for one in answered)


def test_what_has_its_answer_passes_and_is_not_sent() -> None:
    known = Completion("yes", None, 1, 0, 1, "stop", "before")
    spec = _WatchedSpec()
    step = Complete(spec)
    step.setup()
    step.start_bundle()
    (block,) = step.process(Block([_asked(1)._replace(request=None, answer=known)]))
    assert ([one.answer for one in block], list(step.finish_bundle()), spec.opened) == ([known], [], [])
    step.teardown()


def test_who_watches_can_tell_that_an_engine_is_starting() -> None:
    class Spec(ScriptedSpec):
        def open(self) -> ScriptedEngine:
            seen.append(metrics.own()[metrics.SENT])
            return super().open()

    seen: list[int] = []
    metrics.reset_board()
    _drive(Complete(Spec(NEEDS)), [list(range(10))])
    assert seen == [1]
    assert metrics.own()[metrics.SENT] == 10


def test_a_row_that_fails_fails_alone() -> None:
    def script(request: Request) -> str:
        if request.segments == (Text("3"),):
            raise RowError(ErrorClass.REQUEST_REJECTED, "no")
        return "yes"

    answered = _drive(Complete(ScriptedSpec(NEEDS, script)), [list(range(10))])
    failed = [one.fingerprint for one in answered if isinstance(one.answer, Failure)]
    assert (len(answered), failed) == (10, [(3).to_bytes(16, "big")])


class _WatchedSpec(ScriptedSpec):
    """Counts the engines it opens, and remembers them."""

    def __init__(self, script=None) -> None:
        super().__init__(NEEDS, script)
        object.__setattr__(self, "opened", [])

    def open(self) -> ScriptedEngine:
        self.opened.append(super().open())
        return self.opened[-1]


def test_the_engine_is_opened_by_the_first_request_once_and_closed() -> None:
    spec = _WatchedSpec()
    _drive(Complete(spec), [[], []])
    assert spec.opened == []
    _drive(Complete(spec), [[1, 2], [], [3]])
    assert [engine.closed for engine in spec.opened] == [True]


def test_the_engine_is_kept_from_one_pipeline_to_the_next() -> None:
    spec = _WatchedSpec()
    with keeping_engine():
        _drive(Complete(spec), [[1]])
        _drive(Complete(spec), [[2]])
        assert [engine.closed for engine in spec.opened] == [False]
    assert [engine.closed for engine in spec.opened] == [True]


def test_a_step_of_a_run_that_failed_cannot_close_the_engine_of_the_next() -> None:
    late = Complete(_WatchedSpec())
    late.setup()
    late.start_bundle()
    list(late.process(Block([_asked(1)])))
    lifetime.close_all()  # the run failed, and Beam has not torn its steps down
    spec = _WatchedSpec()
    with keeping_engine():
        _drive(Complete(spec), [[1]])
        late.teardown()
        assert [engine.closed for engine in spec.opened] == [False]


def test_an_engine_that_fails_ends_the_run_with_its_own_words_and_is_closed_by_the_driver() -> None:
    def script(request: Request) -> str:
        raise RunError("out of memory", "buy some")

    spec = _WatchedSpec(script)
    lifetime.begin()
    step = Complete(spec)
    with pytest.raises(RunError):
        _drive(step, [[1]])
    assert str(lifetime.failure()) == "out of memory"
    lifetime.close_all()
    assert [engine.closed for engine in spec.opened] == [True]


def test_a_stop_ends_the_work_at_once() -> None:
    lifetime.begin()
    lifetime.request_stop()
    try:
        with pytest.raises(Interrupted):
            _drive(Complete(ScriptedSpec(NEEDS)), [[1]])
    finally:
        lifetime.begin()


def test_counters_say_what_was_sent_and_what_it_cost() -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([], pipeline_type_check=False))
    _ = pipeline | beam.Create(list(in_blocks(map(_asked, range(25)), 10))) | beam.ParDo(Complete(ScriptedSpec(NEEDS)))
    tally = metrics.totals(pipeline.run())
    assert (tally[metrics.SENT], tally[metrics.OUTPUT_TOKENS], tally[metrics.ENGINE_STARTS]) == (25, 25, 1)


def test_long_texts_go_first_with_all_that_is_asked_of_them_and_choices_as_they_come() -> None:
    lengths = [3, 9, 1, 9, 5]
    written = Block(_of_head(i, FreeText(8), "x" * n) for i, n in enumerate(lengths))
    judged = Block(_of_head(i, CHOICE, "y") for i in range(len(lengths)))
    mixed = longest_first(Block(one for pair in zip(judged, written, strict=True) for one in pair))
    assert [one.fingerprint[0] for one in mixed] == [1, 1, 3, 3, 4, 4, 0, 0, 2, 2]
    chosen = Block(map(_asked, (5, 100, 7)))
    assert longest_first(chosen) == list(chosen)


def _of_head(i: int, decoding: Choice | FreeText, text: str) -> Pending:
    key = bytes([i]) * 16
    return _asked(i)._replace(fingerprint=key, request=Request(key, (Text(text),), decoding))
