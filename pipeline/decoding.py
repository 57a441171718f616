"""How an answer is drawn from the model: a label, a JSON document, or text."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """One of a few labels, by one forward pass: each label is known by the first token of its surface form.

    Attributes:
        labels: the names, in the order of the completion's `label_logprobs`.
        surfaces: how the model would write each of them at this place of the prompt (` positive` after a colon).
    """

    labels: tuple[str, ...]
    surfaces: tuple[str, ...]

    @property
    def max_tokens(self) -> int:
        """Tokens the answer may take."""
        return 1


@dataclass(frozen=True)
class Json:
    """A JSON document held to a schema by constrained decoding.

    Attributes:
        schema: the JSON schema, as JSON text (hashable, and the same digest everywhere).
        max_tokens: longest answer; one that is cut is not an answer.
        temperature, seed: how it is sampled; temperature 0 is greedy.
        frequency_penalty: how much less likely a token gets with each time that the answer has it.
        ends_loops: whether an answer is ended that says the same over and over; not for what may repeat its source.
    """

    schema: str
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    frequency_penalty: float = 0.0
    ends_loops: bool = False


@dataclass(frozen=True)
class FreeText:
    """Plain text.

    Attributes:
        max_tokens: longest answer.
        temperature, top_p, seed: how it is sampled; temperature 0 is greedy.
        stop: strings that end it, not part of it.
        frequency_penalty, ends_loops: as for `Json`.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    frequency_penalty: float = 0.0
    ends_loops: bool = False


Decoding = Choice | Json | FreeText


def describe(decoding: Decoding) -> dict[str, Any]:
    """Plain data that names the decoding: part of every fingerprint, and of the recipe for people."""
    return {"kind": type(decoding).__name__.lower(), **asdict(decoding)}
