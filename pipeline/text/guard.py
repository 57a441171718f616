"""What the model reads of a text that tries to give it orders: the text without the passages that do.

Row text cannot open or end a turn of the conversation (`pipeline.tokens`), but a model may still do what it reads. So
passages that speak to it, and not to a person, are left out of what it reads: sentences by rules in several languages
(`guard.toml`), forged turns and answers, hidden markup, encoded text. The row itself is never changed. Rules have
limits: what no rule knows passes, and a customer who really writes so is not heard with that sentence: rules need the
model, its rules or its answer, so what customers ask of people stays. It is for tasks that judge a text, answer it or
write from it, not for those that render, sort or search all of it. A text that is nothing but orders is read as it is.
"""

import base64
import binascii
import re
import string
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain, pairwise
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import regex  # type: ignore[import-untyped]

_Pattern: TypeAlias = "regex.Pattern[str]"

VERSION = 4
"""Raise it when the rules change: they decide what is read, and so answers."""

_MAX_CHARS = 100_000
"""Of a text; what comes after is looked at no more."""
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x034F, 0x180E, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF, *range(0xE0000, 0xE0080)]
)
_BLOCK_CHARS = 10_000
"""Texts of fewer are looked at one by one: making ready for a look at all of them takes as long."""
_WRAPPED_LINES = 4
"""So many lines may be one order."""

_LABELS = "positive|negative|neutral|mixed"
_ANSWER = r"(?:sentiment|label|answer|output|classification|category)"
_STRUCTURES = tuple(
    (signs, regex.compile(pattern, regex.IGNORECASE | regex.DOTALL))
    for signs, pattern in (
        (
            "<",
            r"<!--.{0,4000}?-->"
            r"|<(\w+)[^<>]{0,200}(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|\bhidden\b)[^<>]{0,200}>"
            r".{0,4000}?</\1>",
        ),
        (
            "<",
            r"<\|[a-z_]{2,20}\|>"
            r"(?:\s*(?:system\n(?:[^<]{0,2000}(?=<\|)|[^\n<]{0,2000})|assistant\n[^\s<]{0,100}|user\n))?",
        ),
        ("<[", r"\[/INST\].{0,2000}?\[INST\]|<<SYS>>.{0,2000}?<</SYS>>|</?s>|\[/?INST\]|<</?SYS>>"),
        ("", rf"\b({_LABELS})\b(?:\W{{1,3}}\1\b){{2,}}"),
        ("<", r"<(?:start|end)_of_turn>(?:model\n[^\s<]{0,100}|user\n)?"),
        (
            "{",
            r'"?\s*[}\]]\s*,?\s*\{\s*"(?:role|content|system|answer|label|output|sentiment|instructions?)"\s*:'
            r".{0,2000}[}\]]",
        ),
    )
)
"""Each with signs one of which it needs."""
_ORDERING_TURN = regex.compile(
    r"(?im)^[^\S\n]*(?:system|assistant|developer)\s*:[^\n]*"
    r"(?:(?:\n[^\n]+){1,4}?(?=\n[^\S\n]*(?:system|assistant|developer|user|human)\s*:))?$"
)
_OTHER_TURN = regex.compile(r"(?im)^[^\S\n]*(?:user|human)\s*:")
_FORGED_ANSWER = regex.compile(
    rf"(?im)^\W{{0,5}}{_ANSWER}\s*[:=]\s*(?:(?:{_LABELS})\b|[\p{{L}}\p{{N}}_-]{{1,30}}\W{{0,3}}$)"
)
_SEVERAL_ANSWERS = regex.compile(rf"(?im)^[^\S\n]*{_ANSWER}\s*[:=]\s*[\p{{L}}\p{{N}}_-]{{1,30}}")
_ENCODED_CHARS = 24
"""A word of so many may be base64."""
_ENCODED = regex.compile(rf"(?<![\w+/=])[A-Za-z0-9+/]{{{_ENCODED_CHARS},4000}}={{0,2}}(?![\w+/=])")
_PASSAGE_END = regex.compile(r"[.!?;][\"”»')\]*#_]{0,3}(?=\s)|[\n。！？]")
_LETTERS = regex.compile(r"[\p{L}\p{N}]")


def guarded_all(texts: Sequence[str]) -> list[str]:
    """What the model may read of each text (`guarded`), in a sixth of the time for some hundreds of short ones."""
    if sum(map(len, texts)) < _BLOCK_CHARS:
        return [guarded(text) for text in texts]
    found = list(texts)
    for place in _may_order_at([_plain(text[:_MAX_CHARS]) for text in texts]):
        found[place] = guarded(texts[place])
    return found


def guarded(text: str) -> str:
    """What the model may read of a row's text; the text itself, nearly always."""
    start, rest = text[:_MAX_CHARS], text[_MAX_CHARS:]
    plain = _plain(start)
    if not _may_order(plain):
        return text
    kept = _without_orders(plain)
    if kept == plain or not _LETTERS.search(kept + rest):
        return text
    lead = start[: len(start) - len(start.lstrip())]
    return lead + kept.strip() + rest


def _plain(text: str) -> str:
    """Without invisible characters, and with letters in their usual form."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text.translate(_INVISIBLE))


def _may_order_at(texts: Sequence[str]) -> list[int]:
    """The places of all texts of which `_may_order` holds, and of few others: Arrow looks at them together."""
    try:
        column = pa.array([text.lower() for text in texts], pa.large_string())
    except UnicodeEncodeError:  # half a surrogate pair
        column = pa.array([text.lower().encode(errors="replace").decode() for text in texts], pa.large_string())
    looks = [pc.match_substring_regex(column, pattern) for pattern in _block_patterns()]
    places: list[int] = pc.indices_nonzero(pc.or_(*looks)).to_pylist()
    return places


def _may_order(text: str) -> bool:
    """Whether it is worth a closer look: nearly all texts, and most passages of the others, are spared the rules."""
    return _triggers().search(text.lower()) is not None or (_has_long_word(text) and bool(_ENCODED.search(text)))


def _has_long_word(text: str) -> bool:
    return any(len(word) >= _ENCODED_CHARS for word in text.split())


def _without_orders(text: str) -> str:
    """What is left; a line break stands for what is not, so that the sentences around it stay apart."""
    for signs, pattern in _STRUCTURES:
        if not signs or any(sign in text for sign in signs):
            text = pattern.sub("\n", text)
    if ":" in text or "=" in text:
        text = _without_turns(text)
    if _has_long_word(text):
        text = _ENCODED.sub(lambda found: "\n" if _decoded(found.group()) else found.group(), text)
    if patterns := _patterns_for(text):
        return "".join(_without_order_passages(_passages(text), patterns))
    return text


def _without_turns(text: str) -> str:
    """Without forged turns and answers."""
    if _ORDERING_TURN.search(text):
        text = _OTHER_TURN.sub("\n", _ORDERING_TURN.sub("\n", text))
    several = len(_SEVERAL_ANSWERS.findall(text)) > 1
    return str((_SEVERAL_ANSWERS if several else _FORGED_ANSWER).sub("\n", text))


def _passages(text: str) -> list[str]:
    """Its sentences and lines, which are all of it."""
    ends = [0, *(found.end() for found in _PASSAGE_END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends)]


def _without_order_passages(passages: Sequence[str], patterns: Sequence[_Pattern]) -> Iterator[str]:
    """Those that are no order, nor the rest of one in the next lines, which begin small or have a trigger."""
    place = 0
    while place < len(passages):
        if not (length := _order_length(passages, place, patterns)):
            yield passages[place]
        place += length or 1
        while length and _is_wrapped(passages, place - 1) and _is_rest(passages[place]):
            place += 1


def _is_rest(passage: str) -> bool:
    return passage.lstrip()[0].islower() or _triggers().search(passage.lower()) is not None


def _order_length(passages: Sequence[str], place: int, patterns: Sequence[_Pattern]) -> int:
    """How many passages from here on are one order, their lines taken together; 0: this one is no order's first."""
    if _is_order(passages[place], patterns):
        return 1
    for end in range(place + 2, place + _WRAPPED_LINES + 1):
        if not _is_wrapped(passages, end - 2):
            return 0
        if _is_order(" ".join(map(str.strip, passages[place:end])), patterns):
            rest = " ".join(map(str.strip, passages[place + 1 : end]))
            return 0 if _is_order(rest, patterns) else end - place
    return 0


def _is_wrapped(passages: Sequence[str], place: int) -> bool:
    """Whether a passage ends with its line only, without a stop, and the next line goes on."""
    if not passages[place].endswith("\n") or place + 1 == len(passages):
        return False
    return bool(passages[place].strip() and passages[place + 1].strip())


def _decoded(word: str) -> str | None:
    """The text that a word is the base64 of; None if it is none."""
    try:
        text = base64.b64decode(word + "=" * (-len(word) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    letters = sum(c.isalpha() or c in string.whitespace for c in text)
    return text if text.isprintable() and " " in text and letters > 0.6 * len(text) else None


def _is_order(passage: str, patterns: Sequence[_Pattern]) -> bool:
    """Whether a passage speaks to the model."""
    return _may_order(passage) and any(pattern.search(passage) for pattern in patterns)


def _patterns_for(text: str) -> list[_Pattern]:
    """Those of which anything in the text may be a match."""
    small = text.replace("İ", "i").lower()  # regardless of case, `regex` reads it as one
    return [pattern for needs, those in _patterns() if all(need.search(small) for need in needs) for pattern in those]


@cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((files("pipeline.text") / "guard.toml").read_text(encoding="utf-8"))


@cache
def _triggers() -> "re.Pattern[str]":
    """Any trigger, by `re` and with those of one first letter together: three times as fast as one search for each."""
    found: dict[str, list[str]] = defaultdict(list)
    for trigger in sorted(_rules()["triggers"]):
        found[trigger[0]].append(re.escape(trigger[1:]).replace(r"\ ", r"\s"))
    parts = [f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in found.items()]
    return re.compile("|".join([*parts, rf"\b(?:{'|'.join(_rules()['trigger_words'])})\b"]))


@cache
def _block_patterns() -> tuple[str, str]:
    """For small letters: any trigger, and what may be encoded; for RE2, to which only ASCII has spaces and words.

    A word of it may end where Python's goes on, never the other way round, as long as the words are ASCII themselves.
    """
    return "(?s)" + _triggers().pattern.replace(r"\s", "."), f"[a-z0-9+/]{{{_ENCODED_CHARS}}}"


@cache
def _patterns() -> tuple[tuple[list["re.Pattern[str]"], list[_Pattern]], ...]:
    """What each kind of orders needs, and the patterns of that kind."""
    kinds = _rules()["patterns"].values()
    return tuple(
        ([_need(words) for words in kind["needs"]], [_pattern(order) for order in chain(*kind["orders"].values())])
        for kind in kinds
    )


def _need(words: str) -> "re.Pattern[str]":
    """Where one of the words begins; ASCII's idea of a word may find more of them than a pattern's, and no fewer."""
    return re.compile(rf"(?<![a-z0-9_])(?:{_filled(words)})", re.ASCII)


def _pattern(order: str) -> _Pattern:
    return regex.compile(_filled(order), regex.IGNORECASE | regex.UNICODE)


def _filled(pattern: str) -> str:
    for name, words in _rules()["words"].items():
        pattern = pattern.replace(f"{{{name}}}", words)
    return pattern
