"""Content briefs as they come: columns or JSON, lists or lines, whole numbers that pandas made floats."""

import json
import math
import re
from typing import Any, ClassVar

from pydantic import Field, model_validator

from schemas.records import Record

_LISTS = {"facts": r"[\n;]", "must_include": r"[\n;]|,(?!\d)", "must_not_include": r"[\n;]|,(?!\d)"}
_NUMBERS = ("min_words", "max_words", "variants")


class Brief(Record):
    """What is to be written about.

    A column `brief` holds all of it as JSON instead, by field or column name; what a column of its own says comes
    first, and keys that are no field become facts. Lists may be texts, with one entry a line, or between semicolons
    (words: commas too).

    Attributes:
        topic: the topic or product.
        facts: what may be said; nothing else should be.
        audience, tone: whom it is for, and how it is to sound.
        format: one of the formats; by default the run's.
        language: a code or a name; by default the run's.
        must_include, must_not_include: words.
        min_words, max_words: how long; by default the format's.
        variants: how many; by default the run's.
    """

    needs_one_of: ClassVar[tuple[str, ...]] = ("topic", "brief")

    topic: str | None = Field(None, json_schema_extra={"columns": ["product", "name", "title", "subject"]})
    brief: None = None
    facts: list[str] = Field(default_factory=list)
    audience: str | None = None
    tone: str | None = None
    format: str | None = None
    language: str | None = None
    must_include: list[str] = Field(default_factory=list)
    must_not_include: list[str] = Field(default_factory=list)
    min_words: int | None = Field(None, ge=0)
    max_words: int | None = Field(None, ge=1)
    variants: int | None = Field(None, ge=1, le=20)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = {name: value for name, value in values.items() if name != "brief" and not _is_nothing(value)}
        merged = {**cls._by_field(_from_json(values.get("brief"))), **given}
        facts = [f"{name}: {_text(value)}" for name, value in merged.items() if name not in cls.model_fields]
        plain = {name: _plain(name, value) for name, value in merged.items() if name in cls.model_fields}
        return {**plain, "facts": [*plain.get("facts", []), *facts]}

    @classmethod
    def _by_field(cls, brief: dict[str, Any]) -> dict[str, Any]:
        fields = {column: field for field in cls.model_fields for column in cls.column_names(field)}
        named = {fields[name]: value for name, value in reversed(brief.items()) if name in fields}
        own = {name: value for name, value in brief.items() if name in cls.model_fields}
        return {**named, **own, **{name: value for name, value in brief.items() if name not in fields}}

    def said(self) -> list[str]:
        """All that the brief says: what numbers and placeholders in an answer may come from."""
        texts = (self.topic, *self.facts, self.audience, self.tone, *self.must_include)
        return [text for text in texts if text]


def _from_json(value: Any) -> dict[str, Any]:
    if _is_nothing(value):
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the brief is not JSON: {str(error)[:80]}") from None
    if not isinstance(value, dict):
        raise ValueError("the brief is not a JSON object")
    return {name: part for name, part in value.items() if not _is_nothing(part)}


def _is_nothing(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )


def _plain(name: str, value: Any) -> Any:
    if name in _NUMBERS:
        return _whole(value)
    if name not in _LISTS:
        return _text(value)
    if isinstance(value, dict):
        value = [f"{key}: {_text(part)}" for key, part in value.items()]
    parts = value if isinstance(value, list) else re.split(_LISTS[name], _text(value))
    return [_text(part) for part in parts if not _is_nothing(part)]


def _whole(value: Any) -> Any:
    """80 for "80" and 80.0; what is no whole number stays as it is, for the model to refuse."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return value
    return int(number) if number.is_integer() and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    """The value as text that can be written as UTF-8: JSON may hold half a surrogate pair."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, default=str)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().encode("utf-8", "replace").decode()
