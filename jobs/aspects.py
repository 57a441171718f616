"""Aspects: what a text says about the battery, the price, and so on, or about whatever it is that it mentions.

Each aspect is one choice. The prompt has the text before the aspect, so that all questions about a text share it in the
engine's prefix cache and only the aspect's few words are computed anew.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.answers import choice_probabilities, read_json, uncertainty_of
from pipeline.decoding import Choice
from pipeline.elements import Completion
from pipeline.prompts import Bare, Border, Chat, Message, Prompt, Text

AspectLabel = Literal["positive", "neutral", "negative", "mixed", "not_mentioned"]
ASPECT_LABELS: tuple[AspectLabel, ...] = ("positive", "neutral", "negative", "mixed", "not_mentioned")
_SURFACES = ("positive", "neutral", "negative", "mixed", "nothing")
MAX_ASPECTS = 20
MAX_OPEN_TOKENS = 400

_RULES = (
    "You are a careful analyst of customer feedback. For each review and aspect, say what the review says about the "
    "aspect: positive, neutral, negative, mixed, or nothing if the review does not mention it."
)
_PHONE = "Great screen, and the battery lasts two days. Delivery took three weeks, though."
_HOTEL = "The hotel was clean and the staff friendly, but it is a half-hour walk from the centre."
_DINNER = "Some dishes were wonderful, others cold. The waiter brought the bill at nine."
_SHIRT = "Soft fabric, but it tore after a week. It comes with a cotton bag."
_EXAMPLES = (
    (_PHONE, "battery", "positive"),
    (_HOTEL, "price", "nothing"),
    (_PHONE, "delivery", "negative"),
    (_DINNER, "food", "mixed"),
    (_SHIRT, "customer service", "nothing"),
    (_SHIRT, "bag", "neutral"),
    (_HOTEL, "staff", "positive"),
    (_PHONE, "sound", "nothing"),
    (_HOTEL, "location", "negative"),
    (_DINNER, "bill", "neutral"),
    (_SHIRT, "durability", "negative"),
    (_DINNER, "parking", "nothing"),
)
"""Several aspects of one text with different answers: else a small model answers by the text and ignores the aspect."""
_OPEN_RULES = (
    "List the aspects that a review speaks about, such as battery, price, service or taste, each with what it says "
    "about it (positive, neutral, negative or mixed) and the few words of the review that say so, copied exactly. "
    "Answer in JSON."
)
_OPEN_EXAMPLE = (
    _PHONE,
    '{"aspects": [{"aspect": "screen", "label": "positive", "quote": "Great screen"}, '
    '{"aspect": "battery", "label": "positive", "quote": "the battery lasts two days"}, '
    '{"aspect": "delivery", "label": "negative", "quote": "Delivery took three weeks"}]}',
)


class Aspect(BaseModel):
    """What a text says about one aspect.

    Attributes:
        aspect: its name.
        label: the most probable label.
        p_positive, p_neutral, p_negative, p_mixed, p_not_mentioned: probabilities, which add up to 1; null where the
            model listed the aspects itself.
        score: p_positive - p_negative, null likewise.
        uncertainty: entropy of the probabilities over its maximum, null likewise.
        evidence: the words that say so, as they stand in the text; null where aspects were given.
        start, end: where these begin and end in the text, in characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    aspect: str
    label: AspectLabel
    p_positive: float | None = None
    p_neutral: float | None = None
    p_negative: float | None = None
    p_mixed: float | None = None
    p_not_mentioned: float | None = None
    score: float | None = None
    uncertainty: float | None = None
    evidence: str | None = None
    start: int | None = None
    end: int | None = None


class Listed(BaseModel):
    """One aspect as the model lists it."""

    model_config = ConfigDict(extra="forbid")

    aspect: str = Field(min_length=1, max_length=40)
    label: Literal["positive", "neutral", "negative", "mixed"]
    quote: str = Field(min_length=1, max_length=200)


class ListedAspects(BaseModel):
    """What the model lists."""

    model_config = ConfigDict(extra="forbid")

    aspects: list[Listed] = Field(max_length=8)


def aspect_prompt(text: str, aspect: str, form: str) -> Prompt:
    """The rules and examples, the text, and last the aspect, whose name is all that sets prompts about a text apart."""
    asked = (Border("Review:"), Text(f" {text}"), Border("\nAspect:"))
    if form == "bare":
        return Bare((_bare_examples(), *asked, f" {aspect}\nSentiment:"))
    return Chat((*_turns(), Message("user", (*asked, f" {aspect}"))))


@cache
def _bare_examples() -> str:
    return "".join(f"Review: {text}\nAspect: {name}\nSentiment: {label}\n\n" for text, name, label in _EXAMPLES)


@cache
def _turns() -> tuple[Message, ...]:
    turns = [Message("system", (_RULES,))]
    for text, name, label in _EXAMPLES:
        turns += [Message("user", (f"Review: {text}\nAspect: {name}",)), Message("assistant", (label,))]
    return tuple(turns)


@cache
def aspect_decoding(form: str) -> Choice:
    """One token among the labels'; "not mentioned" is said as "nothing", which begins like no other."""
    space = " " if form == "bare" else ""
    return Choice(ASPECT_LABELS, tuple(space + surface for surface in _SURFACES))


def read_aspect(aspect: str, completion: Completion) -> Aspect:
    """The result of one aspect's choice.

    Raises:
        RowError: if the engine gave no probabilities.
    """
    p = choice_probabilities(completion, ASPECT_LABELS)
    return Aspect(
        aspect=aspect,
        label=max(ASPECT_LABELS, key=lambda label: p[label]),
        p_positive=p["positive"],
        p_neutral=p["neutral"],
        p_negative=p["negative"],
        p_mixed=p["mixed"],
        p_not_mentioned=p["not_mentioned"],
        score=p["positive"] - p["negative"],
        uncertainty=uncertainty_of(list(p.values())),
    )


def open_prompt(text: str) -> Chat:
    """The rules and an example, and the text."""
    review, answer = _OPEN_EXAMPLE
    turns = (
        Message("system", (_OPEN_RULES,)),
        Message("user", (f"Review: {review}",)),
        Message("assistant", (answer,)),
    )
    return Chat((*turns, Message("user", (Border("Review:"), Text(f" {text}")))))


def read_listed(text: str, completion: Completion) -> tuple[list[Aspect], int]:
    """The aspects that the model listed with words of the text, in their order there, and how many it made up.

    Raises:
        RowError: if the answer is not such a list.
    """
    listed = read_json(completion, ListedAspects).aspects
    found: dict[str, Aspect] = {}
    dropped = 0
    for one in listed:
        place = find_quote(text, one.quote)
        if place is None:
            dropped += 1
            continue
        start, end = place
        name = " ".join(one.aspect.split()).casefold()
        found.setdefault(name, Aspect(aspect=name, label=one.label, evidence=text[start:end], start=start, end=end))
    return sorted(found.values(), key=lambda aspect: (aspect.start, aspect.aspect)), dropped


_ALIKE = {"'": "['’‘`´]", '"': '["“”„«»]', "-": "[-–—]"}
_ALIKE |= {char: wide for wide in list(_ALIKE.values()) for char in wide[1:-1]}


def find_quote(text: str, quote: str) -> tuple[int, int] | None:
    """Where a quote stands in a text: exactly, or up to case, white space, quotation marks and dashes."""
    if not any(map(str.isalnum, quote)):
        return None
    if (start := text.find(quote)) >= 0:
        return start, start + len(quote)
    words = quote.strip(" .…\n\"'“”‘’").split()
    pattern = r"\s+".join("".join(_ALIKE.get(char, re.escape(char)) for char in word) for word in words)
    match = re.search(pattern, text, re.IGNORECASE) if words else None
    return match.span() if match else None


def distinct_names(aspects: Sequence[str]) -> tuple[str, ...]:
    """The names without outer white space.

    Raises:
        ValueError: if one is empty or named twice.
    """
    names = tuple(" ".join(aspect.split()) for aspect in aspects)
    if not all(names):
        raise ValueError("an aspect has no name")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("an aspect is named twice")
    return names
