"""Real sockets, bad servers: every request has one answer, the right one."""

import random
import threading
import time

import pytest

from pipeline.decoding import Choice, FreeText
from pipeline.elements import Completion, Failure, Request
from pipeline.engines.base import EngineNeeds
from pipeline.engines.server.protocol import NoAnswerError, Protocol
from pipeline.engines.server.served import Served
from pipeline.engines.server_engine import ServerSpec
from pipeline.errors import RunError
from pipeline.prompts import Text
from pipeline.tokens import load_tokenizer
from schemas.envelope import ErrorClass

SERVED = Served("tiny", "vllm", "0.32.0", 512)
LABELS = Choice(("yes", "no"), ("y", "n"))


def _requests(num: int, decoding=None) -> list[Request]:
    return [Request(i.to_bytes(16, "big"), (Text(f"row {i}"),), decoding or FreeText(8)) for i in range(num)]


def _ask(folder, urls, requests, patience=20.0, between=lambda n: None):
    engine = ServerSpec(EngineNeeds("run", 512, str(folder)), tuple(urls), SERVED, patience, (0.02, 0.5)).open()
    answers: list = []
    rest = list(requests)
    try:
        while rest or engine.in_flight:
            while rest and engine.in_flight < engine.window:
                engine.submit(rest.pop(0))
            answers += engine.collect()
            between(len(answers))
    finally:
        engine.close()
        engine.close()
    assert len(answers) == len(dict(answers)) == len(requests)
    return dict(answers)


def _all_right(folder, requests, answers) -> None:
    tokenizer = load_tokenizer(folder)
    for request in requests:
        answer = answers[request.fingerprint]
        assert isinstance(answer, Completion), answer
        assert answer.text == str(sum(tokenizer.encode(request.segments[0])))


@pytest.mark.parametrize("how", ["429", "503", "500", "garbage", "half"])
def test_nothing_is_lost_to_a_server_that_misbehaves(how: str, folder, serve) -> None:
    draw = random.Random(1)  # noqa: S311 - not a secret
    server = serve(lambda n, body: how if draw.random() < 0.3 else "ok")
    requests = _requests(120)
    _all_right(folder, requests, _ask(folder, [server.url], requests))


def test_a_label_has_the_log_probabilities_of_all(folder, serve) -> None:
    answers = _ask(folder, [serve().url], _requests(10, LABELS))
    for answer in answers.values():
        assert sorted(answer.label_logprobs) == [-2.0, -1.0]
        assert answer.text == LABELS.labels[answer.label_logprobs.index(-1.0)]


def test_a_request_that_is_refused_or_always_fails_fails_alone(folder, serve) -> None:
    bad = {1: "400", 2: "500"}
    tokens = {sum(load_tokenizer(folder).encode(Text(f"row {i}"))): how for i, how in bad.items()}
    requests = _requests(60)
    seen = {request.fingerprint: sum(load_tokenizer(folder).encode(request.segments[0])) for request in requests}
    server = serve(lambda n, body: tokens.get(sum(body["prompt"]), "ok"))
    answers = _ask(folder, [server.url], requests)
    for key, answer in answers.items():
        assert isinstance(answer, Failure) == (seen[key] in tokens)


def test_a_slow_and_a_dead_server_among_fast_ones(folder, serve) -> None:
    fast, slow, dead = serve(), serve(lambda n, body: "slow"), serve()
    dead.stop()
    requests = _requests(200)
    started = time.monotonic()
    _all_right(folder, requests, _ask(folder, [slow.url, dead.url, fast.url], requests))
    assert time.monotonic() - started < 10
    assert len(fast.asked) > len(slow.asked) > 0


def test_a_server_that_is_killed_and_started_again_in_the_middle(folder, serve) -> None:
    server, restarted = serve(), []

    def between(num_answers: int) -> None:
        if num_answers >= 30 and not restarted:
            server.stop()
            restarted.append(threading.Timer(1.0, server.start))
            restarted[0].start()

    requests = _requests(150)
    _all_right(folder, requests, _ask(folder, [server.url], requests, between=between))
    assert restarted


def test_servers_that_only_fail_end_the_run(folder, serve) -> None:
    with pytest.raises(RunError, match="no server has answered"):
        _ask(folder, [serve(lambda n, body: "500").url], _requests(20), patience=1.0)


def test_what_was_answered_before_the_error_is_collected_first(folder, serve) -> None:
    engine = ServerSpec(EngineNeeds("run", 512, str(folder)), (serve().url,), SERVED).open()
    try:
        engine.submit(_requests(1)[0])
        engine._deliver(_requests(1)[0].fingerprint, Failure(ErrorClass.REQUEST_REJECTED, "no", 1))
        engine._done.put(RunError("over"))
        assert len(engine.collect()) == 1
        with pytest.raises(RunError, match="over"):
            engine.collect()
    finally:
        engine.close()


@pytest.mark.parametrize("answer", [{"choices": []}, {"choices": [{}]}, {}, [], 1])
def test_what_is_no_answer_is_known_for_none(answer: object, folder) -> None:
    protocol = Protocol(SERVED, load_tokenizer(folder), "run")
    with pytest.raises(NoAnswerError):
        protocol.read(_requests(1)[0], [1], answer)


def test_a_bad_request_that_alone_is_left_does_not_end_the_run(folder, serve) -> None:
    (request,) = _requests(1)
    row = list(load_tokenizer(folder).encode(request.segments[0]))
    server = serve(lambda n, body: "500" if body["prompt"] == row else "ok")
    answers = _ask(folder, [server.url], [request], patience=1.0)
    assert isinstance(answers[request.fingerprint], Failure)


def test_a_retry_after_is_waited_for(folder, serve) -> None:
    times: list[float] = []

    def behave(n: int, body) -> str:
        times.append(time.monotonic())
        return "429" if n == 1 else "ok"

    _ask(folder, [serve(behave, retry_after="1").url], _requests(1))
    assert len(times) == 2
    assert 0.95 <= times[1] - times[0] < 3
