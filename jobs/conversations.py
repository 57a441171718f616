"""Conversations as they come: a text, texts, or messages with roles, as lists or as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.text.languages import Detected, detect
from schemas.records import Record

Role = Literal["customer", "agent"]

_ROLES: Mapping[str, Role | None] = {
    **dict.fromkeys(("customer", "user", "client", "human", "buyer", "visitor"), "customer"),
    **dict.fromkeys(("agent", "assistant", "support", "staff", "bot", "operator"), "agent"),
    **dict.fromkeys(("system", "developer", "tool"), None),  # said to a program, not to the customer: left out
}
_SURE = 0.8
_LIKELY = 0.6
"""Of a detected language; see `languages.Detected` for how often it is right."""
_MAX_BYTES = 6_000
"""Of conversation in a prompt; a token is at least a byte, of English about four."""
_GAP = " (…) "


class Turn(BaseModel):
    """One message of a conversation, by the customer or by an agent."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Role
    text: str


class Conversation(Record):
    """A conversation, or a single message, with what is known for answering it.

    Attributes:
        messages: a text (one message of the customer's), a list of such texts, a list of structs with `role` and
            `text` (or `content`), or such a list as JSON text. Messages without text, and those of the role `system`,
            which were said to a program, are left out.
        product: what the customer uses or asks about.
        policy: what we may promise.
    """

    messages: tuple[Turn, ...] = Field(
        json_schema_extra={"columns": ["conversation", "dialogue", "chat", "message", "text", "body"]}
    )
    product: str | None = Field(None, json_schema_extra={"columns": ["context", "product_context"]})
    policy: str | None = None

    @field_validator("messages", mode="before")
    @classmethod
    def _turns(cls, value: Any) -> tuple[Turn, ...]:
        return tuple(_read_turns(value))

    def said_by(self, role: Role) -> list[str]:
        """The texts of one side, in order."""
        return [turn.text for turn in self.messages if turn.role == role]


def _read_turns(value: Any) -> Iterator[Turn]:
    listed = _from_json(value) if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)):
        raise ValueError("give a text, or a list of messages with role and text")
    for number, item in enumerate(listed, 1):
        turn = item if isinstance(item, Turn) else _read_turn(item, number)
        if turn is not None and turn.text.strip():
            yield turn


def _from_json(text: str) -> Any:
    """The list that a text is the JSON of; any other text is a list of one message."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass  # a message that begins with a bracket
    return [text]


def _read_turn(item: Any, number: int) -> Turn | None:
    fields = {"role": "customer", "text": item} if isinstance(item, str) else item
    if not isinstance(fields, Mapping):
        raise ValueError(f"message {number} is neither a text nor has role and text")
    text = fields["text"] if fields.get("text") is not None else fields.get("content")
    if not isinstance(text, str | None):
        raise ValueError(f"message {number} has no text")
    said_by = str(fields.get("role") or "").strip().lower()
    if said_by not in _ROLES:
        raise ValueError(f"message {number} has the role {said_by[:40]!r}; known are: {', '.join(_ROLES)}")
    role = _ROLES[said_by]
    return None if role is None else Turn(role=role, text=_encodable(text or ""))


def _encodable(text: str) -> str:
    """Without halves of characters, which JSON can hold and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


def language_of(record: Conversation) -> Detected:
    """The language of the customer's last message, or of all of them where that one does not say."""
    said = record.said_by("customer")
    last = detect(said[-1])
    return last if last.confidence >= _SURE else max(last, detect("\n".join(said)), key=lambda found: found.confidence)


def reply_language(record: Conversation, given: Sequence[str], otherwise: str) -> str:
    """The language to reply in: the customer's where that is likely enough, else `otherwise`.

    A doubtful guess that is the language of what is given (product, policy), or of our agents, is right after all.
    """
    found = language_of(record)
    if found.confidence >= _LIKELY:
        return found.language
    around = {detect(text).language for text in (*given, "\n".join(record.said_by("agent")))} - {"und"}
    return found.language if found.language in around else otherwise


def shorten(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The last turns that fit into `_MAX_BYTES`; of a last one that alone does not, its beginning and its end."""
    kept: list[Turn] = []
    room = _MAX_BYTES
    for turn in reversed(turns):
        room -= len(turn.text.encode())
        if room < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept)) or (_without_middle(turns[-1]),)


def _without_middle(turn: Turn) -> Turn:
    data, half = turn.text.encode(), _MAX_BYTES // 2
    return Turn(role=turn.role, text=data[:half].decode(errors="ignore") + _GAP + data[-half:].decode(errors="ignore"))
