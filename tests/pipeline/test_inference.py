"""The step that keeps the engine full: one answer for each request, none lost, one engine, always closed."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline import lifetime, metrics
from pipeline.decoding import Choice
from pipeline.elements import Asker, Case, Failure, Request, RowRef
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedEngine, ScriptedSpec
from pipeline.errors import Interrupted, RowError, RunError
from pipeline.inference import Complete
from pipeline.prompts import Text
from schemas.envelope import ErrorClass
from schemas.records import TextRecord

NEEDS = EngineNeeds("run", 4096, None)
CHOICE = Choice(("yes", "no"), ("yes", "no"))


def _asked(i: int) -> tuple[Request, tuple[Asker, ...]]:
    key = i.to_bytes(16, "big")
    case = Case(RowRef(0, i), TextRecord(text=str(i)))
    return Request(key, (Text(str(i)),), CHOICE), (Asker(case, "answer", 1, truncated=False),)


def _drive(step: Complete, bundles: list[list[int]]) -> list[tuple[bytes, object, tuple[Asker, ...]]]:
    answered = []
    step.setup()
    for bundle in bundles:
        step.start_bundle()
        for i in bundle:
            answered += step.process(_asked(i))
        answered += [windowed.value for windowed in step.finish_bundle()]
    step.teardown()
    return answered


@given(sizes=st.lists(st.integers(0, 40), max_size=6), window=st.integers(1, 50))
def test_each_request_is_answered_once_whatever_the_bundles_and_the_window(sizes: list[int], window: int) -> None:
    numbers = iter(range(1000))
    bundles = [[next(numbers) for _ in range(size)] for size in sizes]
    answered = _drive(Complete(ScriptedSpec(NEEDS, window=window)), bundles)
    assert sorted(int.from_bytes(key, "big") for key, _, _ in answered) == [i for b in bundles for i in b]
    assert all(asker.case.ref.position == int.from_bytes(key, "big") for key, _, (asker,) in answered)


def test_a_row_that_fails_fails_alone() -> None:
    def script(request: Request) -> str:
        if request.segments == (Text("3"),):
            raise RowError(ErrorClass.REQUEST_REJECTED, "no")
        return "yes"

    answered = _drive(Complete(ScriptedSpec(NEEDS, script)), [list(range(10))])
    failed = [key for key, answer, _ in answered if isinstance(answer, Failure)]
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
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | beam.Create([_asked(i) for i in range(25)]) | beam.ParDo(Complete(ScriptedSpec(NEEDS)))
    tally = metrics.totals(pipeline.run())
    assert (tally[metrics.SENT], tally[metrics.OUTPUT_TOKENS], tally[metrics.ENGINE_STARTS]) == (25, 25, 1)
