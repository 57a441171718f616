"""Who is to blame, told by servers that are made up."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import pytest

from pipeline.decoding import FreeText
from pipeline.elements import Answer, Completion, Failure, Request
from pipeline.engines.server import nursing
from pipeline.engines.server.dispatch import Dispatcher
from pipeline.engines.server.endpoints import Endpoint, Job
from pipeline.engines.server.patience import Rules
from pipeline.engines.server.retries import Backoff, Kind, Trouble
from pipeline.engines.server.served import Served
from pipeline.prompts import Text

AWAY = Trouble(Kind.AWAY, "nobody")


class _Servers:
    """All answer the same to a job's number: a trouble, or None for a right answer."""

    def __init__(self, ask: Callable[[int], Trouble | None], well: Trouble | None = None, hangs: bool = False) -> None:
        self._ask, self._well, self._hangs = ask, well, hangs

    async def ask(self, endpoint: Endpoint, job: Job, seconds: float) -> Completion | Trouble:
        await asyncio.sleep(3600 if self._hangs else 0)
        return self._ask(int.from_bytes(job.key, "big")) or Completion("yes", None, 1, 0, 1, "stop", "run")

    async def is_there(self, endpoint: Endpoint) -> Trouble | None:
        return self._well

    async def is_well(self, endpoint: Endpoint, seconds: float) -> Trouble | None:
        return self._well


def _job(i: int) -> Job:
    return Job(Request(i.to_bytes(16, "big"), (Text("row"),), FreeText(8)), [1], 0.0)


async def _dispatched(
    servers: _Servers, num_jobs: int, up: bool = True, patience: float = 0.4
) -> tuple[dict[int, Answer], list[Exception]]:
    """Answers by number, and the errors that end the run: until all is answered or it ends."""
    answers: dict[int, Answer] = {}
    errors: list[Exception] = []
    over = asyncio.Event()

    def deliver(key: bytes, answer: Answer) -> None:
        answers[int.from_bytes(key, "big")] = answer
        if len(answers) == num_jobs:
            over.set()

    def end(error: Exception) -> None:
        errors.append(error)
        over.set()

    rules = Rules(3600.0, patience, Backoff(0.01, 0.05))
    servers_there = [Endpoint("http://0", up=up)]
    dispatcher = Dispatcher(servers_there, servers, rules, deliver, end, asyncio.get_running_loop().time)
    dispatcher.start()
    for i in range(num_jobs):
        dispatcher.put(_job(i))
    async with asyncio.timeout(10):
        await over.wait()
    await dispatcher.close()
    return answers, errors


def test_a_bad_request_that_is_alone_left_fails_alone_for_the_server_is_well() -> None:
    servers = _Servers(lambda i: Trouble(Kind.FAULTY, "500"))
    answers, errors = asyncio.run(_dispatched(servers, 1))
    assert errors == []
    assert isinstance(answers[0], Failure)


@pytest.mark.parametrize("hangs", [True, False])
def test_servers_that_are_not_well_end_the_run(hangs: bool, monkeypatch) -> None:
    monkeypatch.setattr(nursing, "_QUIET_SECONDS", 0.1)
    servers = _Servers(lambda i: Trouble(Kind.FAULTY, "500"), AWAY, hangs)
    answers, errors = asyncio.run(_dispatched(servers, 3))
    assert answers == {}
    assert "no server has answered" in str(errors[0])


def test_one_request_that_is_refused_like_a_key_does_not_condemn_the_server() -> None:
    servers = _Servers(lambda i: Trouble(Kind.UNFIT, "403") if i == 3 else None)
    answers, errors = asyncio.run(_dispatched(servers, 20))
    assert errors == []
    assert [i for i, answer in answers.items() if isinstance(answer, Failure)] == [3]


def test_a_server_that_has_not_answered_before_is_examined_before_it_gets_requests() -> None:
    assert len(asyncio.run(_dispatched(_Servers(lambda i: None), 3, up=False))[0]) == 3
    servers = _Servers(lambda i: None, Trouble(Kind.UNFIT, "another vocabulary"))
    answers, errors = asyncio.run(_dispatched(servers, 3, up=False))
    assert answers == {}
    assert "another vocabulary" in str(errors[0])


def test_a_check_that_raises_ends_the_run() -> None:
    class Broken(_Servers):
        async def is_well(self, endpoint: Endpoint, seconds: float) -> Trouble | None:
            raise KeyError("odd")

    _, errors = asyncio.run(_dispatched(Broken(lambda i: AWAY), 1))
    assert "odd" in str(errors[0])


def test_what_is_forgotten_before_it_began_leaves_its_place_free() -> None:
    async def forgotten() -> Endpoint:
        endpoint = Endpoint("http://a")
        nobody = _Servers(lambda i: None, hangs=True)
        dispatcher = Dispatcher([endpoint], nobody, Rules(), lambda key, answer: None, lambda error: None)
        jobs = [_job(i) for i in range(5)]
        for job in jobs:
            dispatcher.put(job)
        assert endpoint.in_flight == 5
        dispatcher.forget([job.key for job in jobs])
        await asyncio.sleep(0.01)
        await dispatcher.close()
        return endpoint

    assert asyncio.run(forgotten()).in_flight == 0


class _Moody(_Servers):
    """Says what a function of the server and of how often it was asked makes of it; well when it would answer."""

    def __init__(self, mood: Callable[[str, int], Trouble | None]) -> None:
        super().__init__(lambda i: None)
        self._mood, self.num_asked = mood, Counter[str]()

    async def ask(self, endpoint: Endpoint, job: Job, seconds: float) -> Completion | Trouble:
        self.num_asked[endpoint.url] += 1
        mood = self._mood(endpoint.url, self.num_asked.total())
        return mood or await super().ask(endpoint, job, seconds)

    async def is_well(self, endpoint: Endpoint, seconds: float) -> Trouble | None:
        return self._mood(endpoint.url, self.num_asked.total() + 1)


def test_the_last_row_is_not_to_blame_for_an_outage() -> None:
    outage = range(600, 609)
    servers = _Moody(lambda url, n: Trouble(Kind.FAULTY, "502") if n in outage else None)

    async def checks(endpoint: Endpoint, seconds: float) -> Trouble | None:
        servers.num_asked["check"] += 1
        return Trouble(Kind.FAULTY, "502") if servers.num_asked.total() in outage else None

    servers.is_well = checks  # type: ignore[method-assign]
    answers, errors = asyncio.run(_dispatched(servers, 600, patience=30.0))
    assert errors == []
    assert all(isinstance(answer, Completion) for answer in answers.values())
    assert servers.num_asked["http://0"] > 600


def test_a_server_that_wants_to_be_left_alone_for_no_time_is_not_asked_at_once_again() -> None:
    started = time.monotonic()
    servers = _Moody(
        lambda url, n: Trouble(Kind.BUSY, "429", retry_after=0.0) if time.monotonic() < started + 0.3 else None
    )
    answers, _ = asyncio.run(_dispatched(servers, 1, patience=30.0))
    assert isinstance(answers[0], Completion)
    assert servers.num_asked["http://0"] < 40


def test_a_server_that_wants_to_be_left_alone_for_long_and_is_well_gets_requests_again() -> None:
    servers = _Moody(lambda url, n: Trouble(Kind.BUSY, "429", retry_after=300.0) if n == 1 else None)
    answers, errors = asyncio.run(_dispatched(servers, 1))
    assert errors == []
    assert isinstance(answers[0], Completion)


def test_a_server_of_a_shorter_context_does_not_take_the_place_of_another() -> None:
    long, short = (Served("tiny", "vllm", "0.32.0", context_tokens=tokens) for tokens in (4096, 512))
    assert long.can_replace(short)
    assert not short.can_replace(long)
