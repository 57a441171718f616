"""Grounding: whether what was extracted from a text is in there, or the model has made it up."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import regex  # type: ignore[import-untyped]
from pydantic import BaseModel

from pipeline.json_models import JSON_TEXT
from pipeline.text.spans import Kind, canonical, find_spans
from schemas.results import Check

GROUNDED = "grounded"
_SHOWN_CHARS = 60
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}
_GROUP = regex.compile(r"\p{Nd}+(?:[.,]\p{Nd}+)*")


def check_grounded(text: str, found: BaseModel) -> Check:
    """Fails when a value is not in the text: a number, a string that is not one of an enum, or a date.

    Case and white space do not count, nor how a number is written ("1.250,00", 1250); the words zero to twelve are
    numbers. Of a date, the day and one of year and month must be there in digits. True and false can be read between
    the lines.
    """
    made_up = [f"{name} {_shown(value)}" for name, value in _claims(found) if not _is_in(value, text)]
    detail = f"not in the text: {', '.join(made_up)}; copy it from the text, or null if it is not said"
    return Check(name=GROUNDED, passed=not made_up, detail=detail if made_up else None)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def _claims(found: BaseModel) -> Iterator[tuple[str, Any]]:
    """The values that should be in the text, with the names of the properties they belong to."""
    for name, field in type(found).model_fields.items():
        value = getattr(found, name)
        if JSON_TEXT in field.metadata:
            value = None if value is None else json.loads(value)
        if not _is_enum(field.annotation):
            yield from ((field.alias or name, leaf) for leaf in _leaves(value))


def _is_enum(annotation: Any) -> bool:
    return get_origin(annotation) is Literal or any(map(_is_enum, get_args(annotation)))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, BaseModel):
        yield from (leaf for _, leaf in _claims(value))
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)
    else:
        yield value


def _is_in(value: Any, text: str) -> bool:
    match value:
        case None | bool():
            return True
        case int() | float():
            return _plain_number(value) in _numbers_in(text)
        case date():
            return _has_date(value, text)
    return _folded(str(value)) in _folded(text)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _plain_number(value: float) -> str:
    """A number as `canonical` writes one, without its sign, which texts seldom have."""
    digits = format(abs(Decimal(str(value))).normalize(), "f")
    return next(iter(_canonical_numbers(digits)), digits)


def _numbers_in(text: str) -> set[str]:
    words = {_NUMBER_WORDS[word] for word in regex.findall(r"\w+", text.casefold()) if word in _NUMBER_WORDS}
    groups = {number for group in _GROUP.findall(text) for number in _canonical_numbers(group)}
    return _canonical_numbers(text) | groups | words


def _canonical_numbers(text: str) -> set[str]:
    return {canonical(span).lstrip("+-−") for span in find_spans(text, {Kind.NUMBER})}


def _has_date(value: date | datetime, text: str) -> bool:
    groups = {int(digits) for digits in regex.findall(r"\p{Nd}{1,4}", text)}
    return value.day in groups and bool(groups & {value.year, value.year % 100, value.month})
