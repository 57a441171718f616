"""From a record to what the model reads, and the digests that name it.

A prompt is made of constant strings, written by a task's author, and of `Text`, which comes from rows. The two stay
apart until they are token ids: constants may hold a chat template's control tokens, row text never does, so no row
can end its own turn or open another (`pipeline.tokens`). A `Border` is a constant that ends a part which many prompts
share.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, Protocol

from pipeline.decoding import Decoding, describe
from pipeline.errors import UsageError


@dataclass(frozen=True)
class Text:
    """Text from a row: data, never instructions. Cut at the end when the context is too small, if `may_cut`.

    Attributes:
        may_order: it was not written by strangers, or by the model for us: what reads like an order to the model stays.
        lines: the text with the line breaks that `value` has not, as long as orders are still looked for in it.
    """

    value: str
    may_cut: bool = True
    may_order: bool = False
    lines: str | None = None

    @classmethod
    def on_one_line(cls, text: str, may_cut: bool = True, may_order: bool = False) -> "Text":
        """A text on one line, so that it cannot pass for what follows on the next."""
        value = " ".join(text.split())
        return cls(value, may_cut, may_order, None if may_order or value == text else text)


@dataclass(frozen=True)
class Border:
    """A constant that ends what prompts have in common, where a block of the engine's prefix cache ends too.

    The cache knows whole blocks only: what follows the last full one is computed for every prompt anew. So as many line
    breaks go before the constant as make the prompt up to its end a whole number of `BLOCK_TOKENS`.
    """

    value: str


BLOCK_TOKENS = 32
"""The engine's blocks are as long, or a fraction of it (vLLM: 32 on a CPU as we start it, 16 on a GPU)."""


@dataclass(frozen=True)
class Pad:
    """Where line breaks go that make the constants before the first row text a whole number of blocks.

    The renderer puts one behind the system message's text, where they disturb nobody, unless the task has said with a
    `Border` where else they go.
    """


Segment = str | Text | Border | Pad
"""A piece of a rendered prompt: constant, or from a row."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: tuple[Segment, ...]

    @cached_property
    def shape(self) -> tuple[str, tuple[str | None, ...]]:
        """What a chat template sees: the role, and the constants with None wherever something else goes."""
        return self.role, tuple(part if isinstance(part, str) else None for part in self.content)

    @cached_property
    def filled(self) -> tuple[Segment, ...]:
        """What goes there."""
        return tuple(part for part in self.content if not isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Chat:
    """A prompt for a model with a chat template."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Bare:
    """A prompt that the model simply goes on with."""

    content: tuple[Segment, ...]


Prompt = Chat | Bare


class ChatTemplate(Protocol):
    """Renders a conversation as the one string that its model was trained on, ready for the model's turn.

    Args:
        messages: the turns.
        thinking: let a model that thinks before it answers do so.
    """

    def __call__(self, messages: Sequence[Mapping[str, str]], thinking: bool) -> str: ...


class PromptRenderer:
    """Renders prompts as segments, in the order the model reads them.

    The chat template is run once per shape of conversation (its constants and where row text goes), not per row.
    """

    def __init__(self, template: ChatTemplate | None) -> None:
        self._template = template
        self._frame = lru_cache(maxsize=1024)(self._render_frame)

    def render(self, prompt: Prompt, thinking: bool = True) -> tuple[Segment, ...]:
        """The prompt's segments in order.

        Args:
            thinking: False where the first token is the answer (a choice).

        Raises:
            UsageError: for a chat prompt when the model has no chat template, or one that drops row text.
        """
        if isinstance(prompt, Bare):
            return prompt.content
        messages = _padded(prompt.messages)
        frame = self._frame(tuple([message.shape for message in messages]), thinking)
        slots = chain.from_iterable([message.filled for message in messages if message.filled])
        return tuple([next(slots) if part is None else part for part in frame])

    def _render_frame(
        self, shape: tuple[tuple[str, tuple[str | None, ...]], ...], thinking: bool
    ) -> tuple[str | None, ...]:
        if self._template is None:
            raise UsageError("the model has no chat template", "give --prompt-form bare, or a chat model")
        marks: list[str] = []

        def content(parts: tuple[str | None, ...]) -> str:
            return "".join(self._new_mark(marks) if part is None else part for part in parts)

        rendered = self._template([{"role": role, "content": content(parts)} for role, parts in shape], thinking)
        frame: list[str | None] = []
        for mark in marks:
            before, found, rendered = rendered.partition(mark)
            if not found or mark in rendered:
                raise UsageError(
                    "the model's chat template does not keep the messages as they are", "try --prompt-form bare"
                )
            frame += [before, None]
        return tuple(part for part in (*frame, rendered) if part != "")

    @staticmethod
    def _new_mark(marks: list[str]) -> str:
        marks.append(
            f"\ue000{len(marks)}\ue001"
        )  # private-use characters: no author writes them, no template trims them
        return marks[-1]


def _padded(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The conversation with a pad in its system message, if all of that is constant and no border stands in for it."""
    first, *rest = messages
    if first.role != "system" or first.filled:
        return messages
    after = next((message.filled[0] for message in rest if message.filled), None)
    return messages if isinstance(after, Border) else (_with_pad(first), *rest)


@lru_cache(maxsize=1024)
def _with_pad(message: Message) -> Message:
    return Message(message.role, (*message.content, Pad()))


_WHERE_THERE_IS_ONE = frozenset({"adapter", "guard", "adapters"})
"""Parts of a recipe that are left out of its plain data where there is none."""


@dataclass(frozen=True)
class Recipe:
    """Everything but the text that decides an answer.

    Attributes:
        task, task_version: whose prompts they are.
        questions: for each question about the task's first example, its rendered prompt and how the answer is drawn.
        model, model_digest, revision: the weights.
        engine: what ran them, with the arguments that can change an answer.
        context_tokens: where a text is cut.
        adapter: digest of the one that is in the weights, or is served with them for a row; left out of the plain data
            where there is none.
        adapters: digests of those that rows may name, by name; likewise. Of a run: a row's own recipe has `adapter`.
        guard: version of the rules by which orders to the model are left out of texts; None if they are not.
    """

    task: str
    task_version: int
    questions: Mapping[str, Mapping[str, Any]]
    model: str
    model_digest: str
    revision: str | None
    engine: Mapping[str, Any]
    context_tokens: int
    adapter: str | None = None
    guard: int | None = None
    adapters: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as written to `recipe.json` and to the manifest."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v for name, v in content.items() if v is not None or name not in _WHERE_THERE_IS_ONE}

    def digest(self) -> str:
        """16 hexadecimal digits over everything but the model's name: the same weights under two names are one."""
        return self._digest(set(self.as_dict()) - {"model"})

    def scope(self) -> str:
        """Names the folder of the store: what all runs of a task with one model and engine have in common.

        Prompt and decoding are in each fingerprint, so another option, one more target language say, finds what is
        already answered.
        """
        same = {"task", "task_version", "model_digest", "revision", "engine"}
        return f"{self.task}-{self._digest(same)}"

    def _digest(self, names: set[str]) -> str:
        content = {name: value for name, value in self.as_dict().items() if name in names}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


HEAD_BYTES = 8


def fingerprint(scope: str, segments: tuple[Segment, ...], decoding: Decoding) -> bytes:
    """16 bytes that name a request: equal exactly when scope, rendered prompt and decoding are equal.

    The first half names the prompt's head, up to its last row text or border: requests that share it, several questions
    about one text, are grouped by it and reach the engine together, which then computes the text once. Each segment
    goes in with its kind and length, so that no text can pass for another split of the same characters.
    """
    places = [i for i, segment in enumerate(segments) if not isinstance(segment, str | Pad)]
    first, last = (places[0], places[-1]) if places else (0, -1)
    digest = _constant_digest(scope, segments[:first]).copy()
    digest.update(b"".join(map(_tagged, segments[first : last + 1])))
    head = digest.digest()
    digest.update(b"".join(map(_tagged, segments[last + 1 :])) + _described(decoding))
    return head + digest.digest()


@lru_cache(maxsize=1024)
def _constant_digest(scope: str, segments: tuple[Segment, ...]) -> "hashlib.blake2b":
    """The digest of what many prompts begin with; to be copied, not changed."""
    return hashlib.blake2b(scope.encode() + b"".join(map(_tagged, segments)), digest_size=HEAD_BYTES)


def _tagged(segment: Segment) -> bytes:
    kind = b"c" if isinstance(segment, str) else b"t" if isinstance(segment, Text) else b"b%d" % BLOCK_TOKENS
    if isinstance(segment, Pad):
        kind = b"p%d" % BLOCK_TOKENS
    data = plain(segment).encode()
    return kind + len(data).to_bytes(8, "little") + data


@lru_cache(maxsize=1024)
def _described(decoding: Decoding) -> bytes:
    return json.dumps(describe(decoding), sort_keys=True).encode()


def plain(segment: Segment) -> str:
    """A segment's characters, whatever it is."""
    if isinstance(segment, Pad):
        return ""
    return segment if isinstance(segment, str) else segment.value


def readable(segments: Sequence[Segment]) -> str:
    """The prompt as one string, for people."""
    return "".join(map(plain, segments))
