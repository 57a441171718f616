"""Requests as a server's `/v1/completions` wants them, and completions of what it says; vLLM's way and the plain one.

Source: vLLM 0.32, `vllm/entrypoints/openai/completion/protocol.py`. Prompts are the token ids that the engine in this
process gets, and every parameter is named, so that neither the server's chat template nor its defaults matter.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.decoding import Choice, Decoding, FreeText, Json
from pipeline.elements import Completion, Request
from pipeline.engines.server.served import Served
from pipeline.engines.vllm_engine import LOOP, label_ids
from pipeline.errors import RowError
from pipeline.prompts import Text, readable
from pipeline.tokens import ModelTokenizer, encode_all
from schemas.envelope import ErrorClass

NUM_LOGPROBS = 20
_BIAS = 100
"""OpenAI's most: a token with it is as good as certain to come. All labels get it, so their odds stay what they are."""
_FINISHED = frozenset({"stop", "length", "repetition"})


class NoAnswerError(Exception):
    """What a server said is not an answer to the request."""


@dataclass(frozen=True)
class Said:
    """An answer as it came: what `Completion` is made of, before thoughts are told from it."""

    completion: Completion
    token_ids: list[int] | None


class Protocol:
    """Speaks with servers of one kind.

    Args:
        served: what they serve.
        tokenizer: the model's.
        run_id: written into the completions.
        reasoning_tokens: what the model may spend on thinking, beside the answer; 0: it does not.
    """

    def __init__(self, served: Served, tokenizer: ModelTokenizer, run_id: str, reasoning_tokens: int = 0) -> None:
        self._served, self._tokenizer, self._run_id = served, tokenizer, run_id
        self._reasoning_tokens = reasoning_tokens
        self._fields = lru_cache(maxsize=4096)(self._make_fields)
        self._label_ids = lru_cache(maxsize=4096)(lambda choice: label_ids(choice, tokenizer))

    def prompt(self, request: Request) -> list[int] | str:
        """The prompt, as the server takes it.

        Raises:
            RowError: if it can only be sent as text, and a row's text would be read as control tokens there.
        """
        if self._served.takes_ids:
            return encode_all(self._tokenizer, request.segments)
        for segment in request.segments:
            if isinstance(segment, Text) and self._tokenizer.encode(segment) != self._tokenizer.encode(segment.value):
                message = "the text holds control tokens of the model, and the server takes prompts as text only"
                raise RowError(ErrorClass.REQUEST_REJECTED, message)
        return readable(request.segments)

    def body(self, request: Request, prompt: list[int] | str) -> dict[str, Any]:
        """What to send.

        Raises:
            UsageError: if labels cannot be told apart.
        """
        return {**self._fields(request.decoding), "prompt": prompt}

    def _make_fields(self, decoding: Decoding) -> dict[str, Any]:
        thought = 0 if isinstance(decoding, Choice) else self._reasoning_tokens
        fields: dict[str, Any] = {"model": self._served.model, "max_tokens": decoding.max_tokens + thought}
        fields |= {"temperature": 0.0, "top_p": 1.0} if isinstance(decoding, Choice) else _sampling(decoding)
        return fields | (self._vllm_fields(decoding) if self._served.is_vllm else self._plain_fields(decoding))

    def _vllm_fields(self, decoding: Decoding) -> dict[str, Any]:
        fields: dict[str, Any] = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0}
        if self._reasoning_tokens:
            fields["return_token_ids"] = True
        match decoding:
            case Choice():
                ids = self._label_ids(decoding)
                fields |= {"allowed_token_ids": ids, "logprob_token_ids": ids, "logprobs": NUM_LOGPROBS}
                return fields | {"return_tokens_as_token_ids": True}
            case Json():
                held = {"json": json.loads(decoding.schema)}
                fields["structured_outputs"] = held
        if decoding.ends_loops:
            fields["repetition_detection"] = LOOP
        return fields

    def _plain_fields(self, decoding: Decoding) -> dict[str, Any]:
        match decoding:
            case Choice():
                bias = {str(token): _BIAS for token in self._label_ids(decoding)} if self._served.takes_ids else {}
                return {"logprobs": NUM_LOGPROBS, **({"logit_bias": bias} if bias else {})}
            case Json() if self._served.holds_schemas:
                schema = {"name": "answer", "schema": json.loads(decoding.schema), "strict": True}
                return {"response_format": {"type": "json_schema", "json_schema": schema}}
        return {}

    def read(self, request: Request, prompt: list[int] | str, answer: object) -> Said:
        """The completion that a server's answer holds.

        Raises:
            NoAnswerError: if it is not an answer to this request.
        """
        try:
            return self._read(request, prompt, answer)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise NoAnswerError(f"not an answer: {type(error).__name__} {error}") from None

    def _read(self, request: Request, prompt: list[int] | str, answer: Any) -> Said:
        (choice,) = answer["choices"]
        usage = answer.get("usage") or {}
        text, finished = choice["text"], choice["finish_reason"]
        if not isinstance(text, str) or finished not in _FINISHED:
            raise NoAnswerError(f"not an answer: it finished by {finished!r}"[:200])
        num_prompt = _count(usage, "prompt_tokens", len(prompt) if isinstance(prompt, list) else 0)
        if self._served.is_vllm and isinstance(prompt, list) and num_prompt != len(prompt):
            raise NoAnswerError(f"an answer to another prompt: {num_prompt} tokens, not {len(prompt)}")
        logprobs = None
        if isinstance(request.decoding, Choice):
            text, logprobs = self._read_label(request.decoding, choice["logprobs"])
        cached = _count(usage.get("prompt_tokens_details") or {}, "cached_tokens", 0)
        num_output = _count(usage, "completion_tokens", 1 if logprobs else len(self._tokenizer.encode(Text(text))))
        token_ids = choice.get("token_ids")
        return Said(Completion(text, logprobs, num_prompt, cached, num_output, finished, self._run_id), token_ids)

    def _read_label(self, choice: Choice, logprobs: Mapping[str, Any]) -> tuple[str, tuple[float, ...]]:
        """The label that came, and the log-probability of each: of one that is not listed, the least listed one."""
        (listed,) = logprobs["top_logprobs"][:1]
        named = [f"token_id:{token}" for token in self._label_ids(choice)]
        if not self._served.is_vllm:
            named = [self._tokenizer.decode(token) for token in self._label_ids(choice)]
        values = [_logprob(value) for value in listed.values()]
        if not set(named) & set(listed):
            raise NoAnswerError("no log-probability of any label")
        found = tuple(_logprob(listed[name]) if name in listed else min(values) for name in named)
        if self._served.is_vllm and (first := logprobs["tokens"][0]) in named:
            return choice.labels[named.index(first)], found
        return choice.labels[found.index(max(found))], found


def _sampling(decoding: Json | FreeText) -> dict[str, Any]:
    fields: dict[str, Any] = {"temperature": decoding.temperature, "seed": decoding.seed}
    fields["frequency_penalty"] = decoding.frequency_penalty
    if isinstance(decoding, FreeText):
        return fields | {"top_p": decoding.top_p, "stop": list(decoding.stop)}
    return fields | {"top_p": 1.0}


def _count(usage: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = usage.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, int) or value < 0:
        raise NoAnswerError(f"{name} is {value!r}"[:200])
    return value


def _logprob(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise NoAnswerError(f"{value!r} is no log-probability"[:200])
    return float(value)
