"""Formats of generated content: data, so that a user can add one."""

import json
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UsageError

Part = Literal["title", "body", "hashtags", "sections"]

_PART_SCHEMAS: dict[str, dict[str, Any]] = {
    "title": {"type": "string"},
    "body": {"type": "string"},
    "hashtags": {"type": "array", "items": {"type": "string", "pattern": "^#[^\\s#]+$"}, "minItems": 1, "maxItems": 8},
    "sections": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 12},
}


class Format(BaseModel):
    """What a kind of content is made of.

    Attributes:
        title: the name that people see.
        instruction: what to write and how it is built, to the model.
        fields: what an answer holds, in this order.
        min_words, max_words: of the body, without one of the sections, without both of the title.
        max_tokens: longest answer, all fields together, in English.
        example: a brief (topic, facts) and its answer, one key per field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    instruction: str = Field(min_length=1)
    fields: tuple[Part, ...] = Field(min_length=1)
    min_words: int = Field(ge=1)
    max_words: int = Field(ge=1)
    max_tokens: int = Field(ge=16, le=4096)
    example: dict[str, Any]

    @model_validator(mode="after")
    def _fits(self) -> "Format":
        if self.min_words > self.max_words:
            raise ValueError("min_words is more than max_words")
        if missing := {"topic", "facts", *self.fields} - set(self.example):
            raise ValueError(f"the example has no {', '.join(sorted(missing))}")
        lists = ("facts", "hashtags", "sections")
        for name in ("topic", "facts", *self.fields):
            value = self.example[name]
            is_right = isinstance(value, list) and all(isinstance(part, str) for part in value)
            if not (is_right if name in lists else isinstance(value, str)):
                raise ValueError(f"the example's {name} is not {'a list of texts' if name in lists else 'a text'}")
        return self

    def __hash__(self) -> int:
        return hash((self.title, self.instruction))  # the example cannot be hashed

    def limits(self, min_words: int | None, max_words: int | None) -> tuple[int, int]:
        """Least and most words: where a brief gives one end only, the format's other end makes room for it."""
        least, most = self.min_words, self.max_words
        if max_words:
            least, most = min(least, max(1, max_words // 2)), max_words
        if min_words is not None:
            least, most = min_words, max_words or max(most, 3 * min_words // 2)
        return least, most

    @cached_property
    def schema_text(self) -> str:
        """The JSON schema of an answer, the same text for every brief of the format."""
        properties = {name: _PART_SCHEMAS[name] for name in self.fields}
        schema = {
            "type": "object",
            "properties": properties,
            "required": list(self.fields),
            "additionalProperties": False,
        }
        return json.dumps(schema)


def read_formats(path: str | None) -> dict[str, Format]:
    """Textmill's formats, with those of a user's TOML file added or put in their place.

    Raises:
        UsageError: if the file cannot be read or a format is not one.
    """
    own = (files("jobs") / "data" / "formats.toml").read_text(encoding="utf-8")
    formats = _parse("jobs/data/formats.toml", own)
    if path is not None:
        try:
            formats |= _parse(path, Path(path).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the formats {path}: {error}") from None
    return formats


def find_format(formats: Mapping[str, Format], name: str) -> Format:
    """The format of that name.

    Raises:
        ValueError: if there is none; it names the nearest.
    """
    if name in formats:
        return formats[name]
    near = get_close_matches(name, formats) or list(formats)
    raise ValueError(f"unknown format {name[:40]!r}; known are: {', '.join(near)}")


def _parse(path: str, text: str) -> dict[str, Format]:
    try:
        tables: Mapping[str, Any] = tomllib.loads(text).get("formats", {})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"cannot read the formats {path}: {error}") from None
    if not isinstance(tables, Mapping) or not tables:
        raise UsageError(f"{path} has no [formats.NAME]", "jobs/data/formats.toml is an example")
    found = {}
    for name, table in tables.items():
        try:
            found[name] = Format.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            message = f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
            raise UsageError(f"the format {name} in {path}: {message}") from None
    return found
