"""An engine that follows a script: for tests of everything that is not the engine, yours included.

It needs no model and no engine library. Its answers are made from the request alone, so they are the same on every run;
its name is part of the recipe, so they are never taken for a model's.
"""

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.decoding import Choice, Json
from pipeline.elements import Completion, Failure, Request
from pipeline.engines.base import Answered, EngineNeeds
from pipeline.errors import RowError, RunError
from pipeline.prompts import BLOCK_TOKENS, Border, Pad, Segment, Text, readable

Script = Callable[[Request], str]
"""What to answer to a request: a label, JSON or text.

It may raise `RowError` (the request fails), `EngineDied` (what is in flight is lost) or `RunError`.
"""


@dataclass(frozen=True)
class ScriptedSpec:
    """How to start a scripted engine.

    Attributes:
        needs: the job's.
        script: what to answer; by default a label drawn by the fingerprint, or the row's text upside down.
        model: its name, where there are several.
        window: how many requests it keeps in flight; answers come back last in, first out, to keep callers honest.
    """

    needs: EngineNeeds
    script: Script | None = None
    window: int = 64
    model: str = "scripted"

    def open(self) -> "ScriptedEngine":
        """Start it."""
        return ScriptedEngine(self)

    def identity(self) -> Mapping[str, Any]:
        """Its name."""
        return {"name": "scripted"}


class ScriptedEngine:
    """Answers by the script, a few requests at a time."""

    def __init__(self, spec: ScriptedSpec) -> None:
        self._spec = spec
        self._waiting: deque[Request] = deque()
        self.closed = False

    @property
    def window(self) -> int:
        """As the spec says."""
        return self._spec.window

    @property
    def in_flight(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def submit(self, request: Request) -> None:
        """Take a request."""
        if self.closed:
            raise RunError("the engine is closed")
        self._waiting.append(request)

    def collect(self) -> list[Answered]:
        """Answer a quarter of what waits, the youngest first."""
        num = math.ceil(len(self._waiting) / 4)
        return [self._answer(self._waiting.pop()) for _ in range(num)]

    def abort(self, fingerprints: Iterable[bytes]) -> None:
        """Forget some of what waits."""
        dropped = set(fingerprints)
        self._waiting = deque(request for request in self._waiting if request.fingerprint not in dropped)

    def close(self) -> None:
        """Forget what waits."""
        self.closed = True
        self._waiting.clear()

    def _answer(self, request: Request) -> Answered:
        script = self._spec.script or self._default_script
        try:
            text = script(request)
        except RowError as error:
            return request.fingerprint, Failure(error.error_class, error.message, attempts=1, answer=error.answer)
        num_prompt_tokens = num_bytes(request.segments)
        logprobs = _label_logprobs(request.decoding.labels, text) if isinstance(request.decoding, Choice) else None
        num_tokens = 1 if logprobs else len(text.encode())
        return request.fingerprint, Completion(
            text, logprobs, num_prompt_tokens, 0, num_tokens, "stop", self._spec.needs.run_id
        )

    def _default_script(self, request: Request) -> str:
        match request.decoding:
            case Choice(labels=labels):
                return labels[int.from_bytes(request.fingerprint, "big") % len(labels)]
            case Json(schema=schema):
                return json.dumps(made_up(json.loads(schema), _reversed_text(request)), ensure_ascii=False)
            case _:
                return _reversed_text(request)


def _reversed_text(request: Request) -> str:
    return readable([segment for segment in request.segments if isinstance(segment, Text)])[::-1]


def num_bytes(segments: Iterable[Segment]) -> int:
    """How many tokens of a byte `encode_all` makes of a prompt, without making them."""
    num, is_padded = 0, False
    for segment in segments:
        match segment:
            case str():
                num += len(segment.encode())
            case Border(value=value):
                num = _whole_blocks(num + len(value.encode()))
            case Text(value=value):
                num = (_whole_blocks(num) if is_padded else num) + len(value.encode())
                is_padded = False
            case Pad():
                is_padded = True
    return _whole_blocks(num) if is_padded else num


def _whole_blocks(num_tokens: int) -> int:
    return num_tokens + -num_tokens % BLOCK_TOKENS


@lru_cache(maxsize=1024)
def _label_logprobs(labels: tuple[str, ...], text: str) -> tuple[float, ...]:
    """0.85 for the scripted label, the rest in equal parts for the others."""
    rest = 0.15 / max(1, len(labels) - 1)
    return tuple(math.log(0.85 if label == text else rest) for label in labels)


def made_up(schema: Mapping[str, Any], text: str) -> Any:
    """A value that a JSON schema allows: the least there may be, and `text` where there can be text.

    The keywords that pydantic writes are known; of `anyOf` the first, so that nothing is null without need.
    """
    return _made_up(schema, text, schema.get("$defs", {}))


def _made_up(schema: Mapping[str, Any], text: str, definitions: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _made_up(definitions[schema["$ref"].rpartition("/")[2]], text, definitions)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _made_up(schema[several][0], text, definitions)
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", ())), None))
    kind = schema.get("type", "string")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            return {name: _made_up(part, text, definitions) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [_made_up(schema.get("items", {}), text, definitions)] * max(1, schema.get("minItems", 0))
        case "integer" | "number" as number:
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 0)
            return int(least) if number == "integer" else float(least)
        case "boolean":
            return False
        case "null":
            return None
    return (text[: schema.get("maxLength", 200)] or "-").ljust(schema.get("minLength", 0), "-")
