"""What a server serves, as plain data: part of the recipe, and what requests to it may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """

    model: str
    software: str
    version: str
    context_tokens: int | None = None
    takes_ids: bool = True
    gives_logprobs: bool = True
    holds_schemas: bool = True
    tells_cached: bool = True

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
        return {"name": "server", "server": self.software, "version": self.minor_version, "model": self.model}

    def missing(self) -> list[str]:
        """What it does not offer, each in a few words for a person."""
        said = {
            "no token ids (prompts are sent as text, and rows with control tokens in their text fail)": self.takes_ids,
            "no log-probabilities (labels cannot be scored)": self.gives_logprobs,
            "no JSON schemas (answers are only checked, not held to them)": self.holds_schemas,
            "no counts of cached tokens (they are taken for none)": self.tells_cached,
        }
        return [what for what, has in said.items() if not has]
