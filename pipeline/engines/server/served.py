"""What a server serves, as plain data: part of the recipe, and what requests to it may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Served:
    """A model as a server offers it.

    Attributes:
        model: the id under which it is served.
        software: `vllm`, or `other`: a server that speaks OpenAI's language, whatever it is.
        version: of the software; empty if it does not tell.
        context_tokens: the longest prompt and answer together; None if it does not tell.
        takes_ids: prompts may be token ids; otherwise they are text.
        gives_logprobs: answers may come with log-probabilities.
        holds_schemas: answers can be held to a JSON schema.
        tells_cached: it says how many tokens of a prompt its cache held.
        shows_tokens: its vocabulary could be compared with the model's here.
    """

    model: str
    software: str
    version: str
    context_tokens: int | None = None
    takes_ids: bool = True
    gives_logprobs: bool = True
    holds_schemas: bool = True
    tells_cached: bool = True
    shows_tokens: bool = True

    @property
    def is_vllm(self) -> bool:
        """Whether vLLM's own fields are understood."""
        return self.software == "vllm"

    @property
    def minor_version(self) -> str:
        """Of the version the part that answers may depend on."""
        return ".".join(self.version.split(".")[:2])

    def identity(self) -> Mapping[str, Any]:
        """What of it can change an answer."""
        what = {"name": "server", "server": self.software, "version": self.minor_version, "model": self.model}
        return {**what, "takes_ids": self.takes_ids, "holds_schemas": self.holds_schemas}

    def is_like(self, other: "Served") -> bool:
        """Whether the same model is served by the same software."""
        mine = (self.software, self.minor_version, self.model)
        return mine == (other.software, other.minor_version, other.model)

    def can_replace(self, other: "Served") -> bool:
        """Whether requests made for the other can be sent to it."""
        has = (self.takes_ids, self.gives_logprobs, self.holds_schemas)
        needs = (other.takes_ids, other.gives_logprobs, other.holds_schemas)
        short = other.context_tokens and self.context_tokens and self.context_tokens < other.context_tokens
        return (
            not short and self.is_like(other) and all(have or not need for have, need in zip(has, needs, strict=True))
        )

    def and_also(self, other: "Served") -> "Served":
        """What both offer."""
        contexts = [one.context_tokens for one in (self, other) if one.context_tokens]
        return replace(
            self,
            context_tokens=min(contexts, default=None),
            takes_ids=self.takes_ids and other.takes_ids,
            gives_logprobs=self.gives_logprobs and other.gives_logprobs,
            holds_schemas=self.holds_schemas and other.holds_schemas,
            tells_cached=self.tells_cached and other.tells_cached,
            shows_tokens=self.shows_tokens and other.shows_tokens,
        )

    def missing(self) -> list[str]:
        """What it does not offer, each in a few words for a person."""
        said = {
            "no token ids (prompts are sent as text, and rows with control tokens in their text fail)": self.takes_ids,
            "no log-probabilities (labels cannot be scored)": self.gives_logprobs,
            "no JSON schemas (answers are only checked, not held to them)": self.holds_schemas,
            "no counts of cached tokens (they are taken for none)": self.tells_cached,
            "no /tokenize (that its vocabulary is the model's is taken for granted)": self.shows_tokens,
        }
        return [what for what, has in said.items() if not has]
