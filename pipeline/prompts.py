"""What a task says to the model about a record.

A prompt is made of constant strings, written by a task's author, and of `Text`, which comes from rows. The two stay
apart until they are token ids: constants may hold a chat template's control tokens, row text never does, so no row
can end its own turn or open another (`pipeline.tokens`). A `Border` is a constant that ends a part which many prompts
share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Text(NamedTuple):
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


Parts = tuple[str | Border | Pad | None, ...]
"""Segments, with None in the place of each row text."""


def shape_of(segments: Sequence[Segment]) -> Parts:
    """The constants, with None in the place of each row text."""
    return tuple([None if isinstance(part, Text) else part for part in segments])


def texts_of(segments: Sequence[Segment]) -> tuple[Text, ...]:
    """The row texts among them."""
    return tuple([segment for segment in segments if isinstance(segment, Text)])


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        shape: what it has in common with the same turn of other rows: the role, and the constants around row text.
        texts: the row texts in it.
    """

    role: str
    content: tuple[Segment, ...]
    shape: tuple[str, Parts] = field(init=False, repr=False, compare=False)
    texts: tuple[Text, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (self.role, shape_of(self.content)))
        object.__setattr__(self, "texts", texts_of(self.content))


@dataclass(frozen=True, slots=True)
class Chat:
    """A prompt for a model with a chat template."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Bare:
    """A prompt that the model simply goes on with."""

    content: tuple[Segment, ...]


Prompt = Chat | Bare


def plain(segment: Segment) -> str:
    """A segment's characters, whatever it is."""
    if isinstance(segment, Pad):
        return ""
    return segment if isinstance(segment, str) else segment.value


def readable(segments: Sequence[Segment]) -> str:
    """The prompt as one string, for people."""
    return "".join(map(plain, segments))
