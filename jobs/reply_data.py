"""What support replies go by, as data that a user can read and extend: `jobs/data/reply.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Reason = Literal[
    "safety", "self_harm", "legal", "fraud", "press", "repeated_contact", "beyond_policy", "unsupported_promise"
]
"""Why a person must take over; the last one is found by a check of the reply."""


class Intent(BaseModel):
    """Something that a customer may want."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60)
    description: str = ""


class Shown(BaseModel):
    """A question about a made-up conversation, with its answer, for the model to go by.

    Attributes:
        asks: which question; of intents, only those that the run has are shown.
        said: what is said, the customer first, then in turns.
        answer: what to answer.
        language: of the reply.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    asks: Literal["intent", "needs_human", "reason", "reply"]
    said: tuple[str, ...] = Field(min_length=1)
    answer: str
    product: str = ""
    policy: str = ""
    language: str = "English"


class ReplyData(BaseModel):
    """All of the file.

    Attributes:
        intents: what a customer may want, unless a run has intents of its own.
        reasons: those that the model can name, each with its description.
        signs: regular expressions for what gives a reason away, by reason, the gravest first, and language.
        shown: examples, in the order in which the model is shown them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    intents: tuple[Intent, ...]
    reasons: Mapping[Reason, str]
    signs: Mapping[Reason, Mapping[str, tuple[str, ...]]]
    shown: tuple[Shown, ...]


@cache
def reply_data() -> ReplyData:
    """The file's content, read once."""
    text = (files("jobs") / "data" / "reply.toml").read_text(encoding="utf-8")
    return ReplyData.model_validate(tomllib.loads(text))
