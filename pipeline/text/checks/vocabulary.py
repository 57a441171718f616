"""The words that facts and promises are made with, in seven languages; `vocabulary.toml` explains and lists them."""

import tomllib
from importlib.resources import files

_TABLES = tomllib.loads((files(__package__) / "vocabulary.toml").read_text(encoding="utf-8"))


def _positions(lists: list[str]) -> dict[str, int]:
    return {word: number for number, words in enumerate(lists, start=1) for word in words.split()}


def _alternatives(table: dict[str, list[str]]) -> dict[str, str]:
    return {name: "|".join(patterns) for name, patterns in table.items()}


NUMBER_WORDS = _positions(_TABLES["numbers"])
"""Word → number, from one to twelve."""

ARTICLES = frozenset(_TABLES["articles"].split())
"""The number words that are articles too, and seldom count."""

MONTHS = _positions(_TABLES["months"])
"""Name → number."""

WEEKDAYS = _positions(_TABLES["weekdays"])
"""Name → number, Monday being 1."""

CURRENCIES = _alternatives(_TABLES["currencies"])
"""ISO 4217 code → expression for its signs and names."""

UNITS = _alternatives(_TABLES["units"])
"""Unit of time → expression for its names."""

BENEFITS = _alternatives(_TABLES["benefits"])
"""What can be promised → expression for the words that promise it."""
