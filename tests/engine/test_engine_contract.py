"""What every engine has to do, on the real model: the same tests for vLLM in this process and for a vLLM server."""

import json
import math
import weakref
from collections.abc import Iterator

import pytest

from jobs.serving import ServerSettings, serving
from pipeline.decoding import Choice, Decoding, FreeText, Json
from pipeline.elements import Answer, Completion, Failure, Request
from pipeline.engines.base import Engine, EngineNeeds
from pipeline.engines.server.probe import look_at
from pipeline.engines.server_engine import ServerSpec
from pipeline.engines.vllm_engine import VllmSpec
from pipeline.models import Model, catalogue_entry, pull
from pipeline.prompts import Text
from pipeline.tokens import ModelTokenizer, encode_all
from schemas.envelope import ErrorClass

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves

CONTEXT_TOKENS = 512
LABELS = Choice(("positive", "negative"), (" positive", " negative"))
REVIEWS = ["I love it.", "I hate it.", "Wonderful, works like a charm!", "Broken on arrival, avoid.", "Fine."]
SCHEMA = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}, "kind": {"enum": ["good", "bad"]}},
    "required": ["stars", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model() -> Model:
    return pull(catalogue_entry("smollm2-135m"), print)


@pytest.fixture(scope="module", params=["in the process", "server"])
def engine(request: pytest.FixtureRequest, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "server":
        settings = ServerSettings(model.name, port=0, context_tokens=CONTEXT_TOKENS)
        with serving(settings, tmp_path_factory.mktemp("log") / "server.log", print) as server:
            yield from _opened(_server_spec(model, server.url))
    else:
        arguments = {"kv_cache_memory_bytes": 256 << 20, "max_num_seqs": 4}
        spec = VllmSpec(EngineNeeds("run", CONTEXT_TOKENS, str(model.folder), arguments=arguments))
        for engine in _opened(spec):
            weights = weakref.ref(
                engine._engine.engine_core.engine_core.model_executor.driver_worker.worker.get_model()
            )
            yield engine
            del engine
        assert weights() is None  # though nothing has looked for garbage


def _server_spec(model: Model, url: str) -> ServerSpec:
    served, silent = look_at((url,), None, ModelTokenizer(model.folder))
    assert not silent
    return ServerSpec(EngineNeeds("run", CONTEXT_TOKENS, str(model.folder)), (url,), served)


def _opened(spec: VllmSpec | ServerSpec) -> Iterator[Engine]:
    engine = spec.open()
    try:
        yield engine
    finally:
        engine.close()
        engine.close()


@pytest.fixture(scope="module")
def references(model: Model) -> list[list[float]]:
    """For each review the probability of each label, by transformers' forward pass on the same tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = ModelTokenizer(model.folder)
    reference = AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32)
    ids = [tokenizer.encode(surface)[0] for surface in LABELS.surfaces]
    with torch.no_grad():
        return [
            torch.softmax(reference(torch.tensor([encode_all(tokenizer, r.segments)])).logits[0, -1, ids], 0).tolist()
            for r in _requests("\nSentiment:")
        ]


def _ask(engine: Engine, requests: list[Request]) -> dict[bytes, Answer]:
    answers: list[tuple[bytes, Answer]] = []
    for request in requests:
        engine.submit(request)
    assert engine.in_flight == len(requests)
    while engine.in_flight:
        answers += engine.collect()
    assert sorted(key for key, _ in answers) == sorted(request.fingerprint for request in requests)
    return dict(answers)


def _requests(end: str, decoding: Decoding = LABELS) -> list[Request]:
    return [Request(bytes([i]) * 16, ("Review:", Text(f" {t}"), end), decoding) for i, t in enumerate(REVIEWS)]


def _one(engine: Engine, text: str, decoding: Decoding) -> Completion:
    (answer,) = _ask(engine, [Request(b"a" * 16, (Text(text),), decoding)]).values()
    assert isinstance(answer, Completion)
    return answer


def test_choice_gives_the_models_own_probabilities(engine: Engine, model: Model, references: list[list[float]]) -> None:
    tokenizer = ModelTokenizer(model.folder)
    requests = _requests("\nSentiment:")
    answers = _ask(engine, requests)
    sure = []
    for request, expected in zip(requests, references, strict=True):
        answer = answers[request.fingerprint]
        assert isinstance(answer, Completion)
        weights = [math.exp(value) for value in answer.label_logprobs]
        assert [w / sum(weights) for w in weights] == pytest.approx(expected, abs=0.03)
        assert answer.text == LABELS.labels[weights.index(max(weights))]
        assert (answer.prompt_tokens, answer.output_tokens) == (len(encode_all(tokenizer, request.segments)), 1)
        sure.append(answer.text if abs(expected[0] - 0.5) > 0.1 else None)
    assert sure[:3] == ["positive", "negative", "positive"]


def test_a_request_that_the_engine_refuses_fails_alone(engine: Engine) -> None:
    long = Request(b"l" * 16, (Text("word " * 2000),), LABELS)
    empty = Request(b"e" * 16, (Text(""),), LABELS)
    answers = _ask(engine, [*_requests("\nSentiment:"), long, empty])
    failed = {key: answer for key, answer in answers.items() if isinstance(answer, Failure)}
    assert set(failed) == {long.fingerprint, empty.fingerprint}
    assert {answer.error_class for answer in failed.values()} == {ErrorClass.REQUEST_REJECTED}


def test_json_is_held_to_its_schema(engine: Engine) -> None:
    answers = _ask(engine, _requests("\nAs JSON:", Json(json.dumps(SCHEMA), max_tokens=40)))
    for answer in answers.values():
        assert isinstance(answer, Completion)
        value = json.loads(answer.text)
        assert value["stars"] in range(1, 6)
        assert value["kind"] in ("good", "bad")
        assert answer.finish_reason == "stop"


def test_text_ends_at_its_stop_or_its_length_and_repeats(engine: Engine) -> None:
    one, other = (_one(engine, "The capital of France is", FreeText(12, stop=("\n",))) for _ in range(2))
    assert "Paris" in one.text
    assert one.text == other.text
    assert "\n" not in one.text
    assert one.output_tokens <= 12
    cut = _one(engine, "Once upon a time", FreeText(8))
    assert (cut.output_tokens, cut.finish_reason) == (8, "length")


def test_a_seed_draws_the_same_text_and_another_one_another(engine: Engine) -> None:
    drawn = [_one(engine, "My favourite colour", FreeText(16, temperature=1.0, seed=seed)).text for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_the_cache_held_is_told(engine: Engine) -> None:
    text = "The parcel came late, but the people were kind. " * 20
    first, second = (_one(engine, text, FreeText(1)) for _ in range(2))
    assert first.prompt_tokens == second.prompt_tokens
    assert 0.5 * second.prompt_tokens < second.cached_prompt_tokens < second.prompt_tokens


def test_what_is_aborted_is_not_answered_and_the_next_are(engine: Engine) -> None:
    long = Request(b"x" * 16, (Text("Tell me a long story."),), FreeText(400))
    engine.submit(long)
    engine.abort([long.fingerprint])
    assert engine.in_flight == 0
    assert long.fingerprint not in _ask(engine, _requests("\nSentiment:"))
