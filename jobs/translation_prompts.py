"""The prompts of translation: rules, examples, the terms that occur, and the piece of text."""

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, model_validator

from pipeline.decoding import FreeText
from pipeline.prompts import Chat, Message, Text
from pipeline.text.languages import language_name, normal_code

_SOURCE = "en"
"""The language that the examples are translated from."""
_ROLES = ("user", "assistant")
_TOKEN_STEP = 64
_RULES = (
    "You are a professional translator. Translate every message of the user {from_}into {to}. Keep placeholders, "
    "markup, URLs and numbers exactly as they are. Answer with the translation only."
)


class TranslationData(BaseModel):
    """What is in `jobs/data/translation.toml`.

    Attributes:
        examples: the same sentences in several languages, by ISO 639-1 code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    examples: Mapping[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _are_pairs(self) -> "TranslationData":
        if odd := [code for code, shown in self.examples.items() if len(shown) != len(self.examples[_SOURCE])]:
            raise ValueError(f"{', '.join(odd)} has not as many examples as {_SOURCE}")
        return self


@cache
def translation_data() -> TranslationData:
    """The file's content, read once."""
    text = (files("jobs") / "data" / "translation.toml").read_text(encoding="utf-8")
    return TranslationData.model_validate(tomllib.loads(text))


def translation_prompt(piece: str, source: str, to: str, terms: Iterable[tuple[str, str]]) -> Chat:
    """The rules, examples, the glossary's terms as further examples, and the piece.

    Args:
        source: language of the piece, "und" if it cannot be told.
        to: language to translate into.
        terms: those that occur in the piece, with their translations.
    """
    turns = list(_opening(source, to))
    for term in terms:  # not all pieces have them, so they are no constants
        turns += [Message(role, (Text(said, may_cut=False),)) for role, said in zip(_ROLES, term, strict=True)]
    return Chat((*turns, Message("user", (Text(piece, may_cut=False),))))


@lru_cache(maxsize=256)
def _opening(source: str, to: str) -> tuple[Message, ...]:
    from_ = "" if source == "und" else f"from {language_name(source)} "
    turns = [Message("system", (_RULES.format(from_=from_, to=language_name(to)),))]
    for shown, translation in _examples(source, to):
        turns += [Message("user", (shown,)), Message("assistant", (translation,))]
    return tuple(turns)


def translation_decoding(piece: str) -> FreeText:
    """Room for a translation twice as long, in steps, so that there are few ways of decoding."""
    tokens = 48 + 2 * len(piece.encode()) / 3
    return FreeText(max_tokens=_TOKEN_STEP * math.ceil(tokens / _TOKEN_STEP))


def _examples(source: str, to: str) -> Iterator[tuple[str, str]]:
    """Pairs of sentences, for a source that is English or unknown and a language that has some."""
    examples, target = translation_data().examples, normal_code(to)
    if source in (_SOURCE, "und") and target != _SOURCE:
        yield from zip(examples[_SOURCE], examples.get(target, ()), strict=False)
