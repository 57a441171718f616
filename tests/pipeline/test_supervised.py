"""An engine that dies, again and again, for good, or over one request: every request is answered once all the same."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decoding import FreeText
from pipeline.elements import Completion, Failure, Request
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedEngine, ScriptedSpec
from pipeline.engines.supervised import Clock, SupervisedEngine
from pipeline.errors import AdapterChanged, EngineDied, RunError, UsageError
from pipeline.prompts import Text
from schemas.envelope import ErrorClass

DECODING = FreeText(8)


def _request(i: int) -> Request:
    return Request(i.to_bytes(16, "big"), (Text(str(i)),), DECODING)


class World:
    """Engines whose script knows what kills them, and how often one was started and what was slept.

    Args:
        refused: number of a start → why there is no engine then.
    """

    def __init__(
        self,
        killers: set[int],
        flukes: int = 0,
        window: int = 64,
        refused: Mapping[int, RunError] = MappingProxyType({}),
    ) -> None:
        self.refused = refused
        self.killers, self.flukes, self.starts, self.slept, self.now = killers, flukes, 0, [], 0.0
        self._spec = ScriptedSpec(EngineNeeds("run", 4096, None), self._script, window)
        self.needs = self._spec.needs

    def open(self) -> ScriptedEngine:
        self.starts += 1
        if self.starts in self.refused:
            raise self.refused[self.starts]
        return self._spec.open()

    def identity(self) -> dict[str, str]:
        return {"name": "world"}

    def _script(self, request: Request) -> str:
        number = int.from_bytes(request.fingerprint, "big")
        if number in self.killers:
            raise EngineDied(f"killed by {number}")
        if self.flukes:
            self.flukes -= 1
            raise EngineDied("out of memory")
        return f"answer {number}"

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.slept.append)


def _answers(world: World, numbers: list[int], seconds: float = 100) -> dict[int, Completion | Failure]:
    engine = SupervisedEngine(world, seconds, world.clock())
    found: list[tuple[int, Completion | Failure]] = []
    rest = list(numbers)
    while rest or engine.in_flight:
        while rest and engine.in_flight < engine.window:
            engine.submit(_request(rest.pop(0)))
        found += [(int.from_bytes(key, "big"), answer) for key, answer in engine.collect()]
    engine.close()
    assert len(found) == len(dict(found))
    return dict(found)


@settings(max_examples=400)
@given(
    killers=st.sets(st.integers(0, 119), max_size=2),
    num=st.integers(1, 120),
    window=st.integers(1, 100),
    data=st.data(),
)
def test_only_the_requests_that_kill_the_engine_fail(killers: set[int], num: int, window: int, data) -> None:
    flukes = data.draw(st.integers(0, 1))  # two could strike the same request, alone
    world = World(killers, flukes, window)
    answers = _answers(world, list(range(num)))
    assert sorted(answers) == list(range(num))
    failed = {i for i, answer in answers.items() if isinstance(answer, Failure)}
    assert failed == killers & set(range(num))
    assert all(answers[i].error_class is ErrorClass.ENGINE_DIED and answers[i].attempts >= 2 for i in failed)
    assert all(answers[i].text == f"answer {i}" for i in set(answers) - failed)
    assert world.starts <= 1 + 5 * (len(failed) + flukes)


def test_one_bad_request_among_many_costs_three_starts() -> None:
    world = World({150}, window=256)
    answers = _answers(world, list(range(200)))
    assert [i for i, answer in answers.items() if isinstance(answer, Failure)] == [150]
    assert world.starts == 1 + 3


def test_a_request_that_has_killed_is_not_tried_again() -> None:
    world = World({1})
    engine = SupervisedEngine(world, 100, world.clock())
    for _ in range(2):
        engine.submit(_request(1))
        answers: list = []
        while engine.in_flight:
            answers += engine.collect()
        assert [answer.error_class for _, answer in answers] == [ErrorClass.ENGINE_DIED]
    assert world.starts == 3


def test_an_engine_that_only_dies_ends_the_run_after_a_few_tries_with_pauses() -> None:
    world = World(set(range(100)))
    with pytest.raises(RunError, match="died 10 times in a row without an answer: killed by"):
        _answers(world, list(range(100)))
    assert world.starts == 10
    assert world.slept == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_new_engine_that_does_not_start_is_tried_again_but_the_first_is_not() -> None:
    world = World(set(), flukes=1, refused={2: RunError("no memory")})
    assert all(isinstance(answer, Completion) for answer in _answers(world, [1, 2, 3]).values())
    assert world.starts == 3
    with pytest.raises(UsageError):
        SupervisedEngine(World(set(), refused={1: UsageError("no model")}), 100)


def test_an_adapter_that_was_changed_ends_the_run_at_the_next_start() -> None:
    world = World(set(), flukes=1, refused={2: AdapterChanged("changed")})
    with pytest.raises(AdapterChanged):
        _answers(world, [1, 2, 3])
    assert (world.starts, world.slept) == (2, [])


def test_a_request_without_an_answer_is_given_up_and_the_others_are_not() -> None:
    world = World(set(), window=64)
    engine = SupervisedEngine(world, 100, world.clock())
    for i in range(20):
        engine.submit(_request(i))
    world.now = 60
    answered = [key for key, _ in engine.collect()]
    engine.submit(_request(99))
    world.now = 101
    late = dict(engine.collect())
    given_up = [key for key, answer in late.items() if isinstance(answer, Failure)]
    assert {answer.error_class for answer in late.values() if isinstance(answer, Failure)} == {ErrorClass.DEADLINE}
    assert _request(99).fingerprint not in given_up
    rest = [key for key in late if key not in given_up]
    while engine.in_flight:
        rest += [key for key, answer in engine.collect() if isinstance(answer, Completion)]
    assert sorted([*answered, *given_up, *rest]) == [_request(i).fingerprint for i in (*range(20), 99)]
    assert given_up
