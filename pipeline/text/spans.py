"""What of a text must survive translation untouched: code, addresses, tags, placeholders, numbers, emoji.

One pass of one expression finds the candidates, and addresses among them where there is a sign of one. Its loops are
possessive and its unbounded parts stop at the character that could begin the next candidate, so the time is linear in
the text. What a regular expression cannot do in linear time, pairing backticks and comment marks, is done beforehand by
`_delimited_ends`.
"""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

import regex  # type: ignore[import-untyped]

from pipeline.text.personal.kinds import LABELS


class Kind(StrEnum):
    """What a span is."""

    CODE = "code"
    URL = "url"
    EMAIL = "email"
    TAG = "tag"
    PLACEHOLDER = "placeholder"
    NUMBER = "number"
    EMOJI = "emoji"


ALL_KINDS = frozenset(Kind)

LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""The line breaks of `str.splitlines`."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text, `text[start:end] == value`."""

    kind: Kind
    start: int
    end: int
    value: str


# Scripts that are written without spaces, or whose particles are glued to foreign words, end a URL and touch a number
# without being part of it.
_WORD = r"[\w--[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}ー]]"
_IN_URL = rf"(?:[{_WORD}\-.~:/?#@!$*+,;=%|]|'(?={_WORD})|&(?!(?:nbsp|lt|gt|quot);))"

_URL = rf"""
    (?<![A-Za-z0-9]) (?: (?i:https?|ftp):// | (?i:www)\. ) (?=[{_WORD}\[\{{]) (?!_)
    (?: {_IN_URL}++ | \({_IN_URL}*+\) | \[{_IN_URL}*+\] | \{{{{1,2}}{_IN_URL}*+\}}{{1,2}} )++
"""
_AFTER_URL = ".,;:!?'*_~|$"

EXTEND = r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]"
"""What belongs to the character before it."""

# Marks of the character before are stepped over: what begins with them would cut that character in two.
_EMAIL = rf"""
    (?<!{_WORD}) {EXTEND}{{0,8}}+ \K (?!{EXTEND})
    {_WORD}[{_WORD}.%+'\-]{{0,63}}+ @ [A-Za-z0-9\-]++ (?: \.[A-Za-z0-9\-]++ )++ (?<=[A-Za-z])
"""

_TAG = r"""
    <!--
    | </?[A-Za-z][\w:.\-]*+ (?: \s++ (?:
        [^\s"'<>/=`]++ \s*+ = \s*+ (?: "[^"]*+" | '[^']*+' | [^\s"'=<>`]++ )
        | (?i: allowfullscreen | async | autoplay | checked | controls | default | defer | disabled | hidden | loop
            | multiple | muted | novalidate | open | readonly | required | reversed | selected ) (?=[\s/>])
    ) )*+ \s*+ /?>
    | <[!?][A-Za-z][^<>]*+>
    | &(?: [A-Za-z][A-Za-z0-9]{1,31} | \#\d{1,7} | \#[xX][0-9A-Fa-f]{1,6} );
"""

_PLACEHOLDER = (
    rf"""
    \[(?:{"|".join(LABELS.values())})_\d{{1,6}}\] |
"""
    + r"""
    \{%(?: [^%{}\n] | %(?!\}) )*+%\}
    | \{\{[^{}\n]*+\}\}
    | \$\{[^{}\n]*+\}
    | [%\#]?\{ [ ]? [\w.\-\[\]'"]*+ (?:![rsa])? (?: :[ ]?[^{}\s]*+ )? [ ]? \}
    | (?<![\d%])% (?: \([^()%\n]*+\) | \d{1,2}\$ )? [\-+\#0']*+ \d*+ (?:\.\d++)?
        (?:hh?|ll?|[zjtLq])? [sdiouxXeEfFgGcr@] (?!\d|[A-Za-z]{3})
"""
)

_TEXT_BY_DEFAULT = r"©®™ℹ‼⁉〰〽㊗㊙Ⓜ"

_EMOJI = rf"""
    \p{{RI}}\p{{RI}} {EXTEND}*+
    | (?! (?<=[^\s\p{{GCB=Control}}]) {EXTEND} )
        (?= [0-9\#*]\ufe0f?\u20e3 | [\p{{Emoji_Presentation}}--\p{{RI}}] | \p{{ExtPict}}\ufe0f
            | [\p{{ExtPict}}--[{_TEXT_BY_DEFAULT}]] ) (?<!\p{{ExtPict}}{EXTEND}*\u200d) \X
"""

_NUMBER = rf"""
    (?: (?<!{_WORD}) | (?<=(?<!{_WORD})[vV]) )
    (?:
        \d{{4}} (?P<d1>[\-/.]) \d{{1,2}} (?P=d1) \d{{1,2}} (?: T\d\d:\d\d (?: :\d\d (?:\.\d++)? )? )? (?![\-/.]?\d)
        | \d{{1,2}} (?P<d2>[\-/.]) \d{{1,2}} (?P=d2) \d{{2,4}} (?![\-/.]?\d)
        | \d++ (?: :\d++ )++
        | \d{{1,2}}h\d{{2}} (?!{_WORD})
        | \d{{1,2}} (?: ,\d\d ){{1,4}} ,\d{{3}} (?!,?\d) (?: \.\d++ )?
        | (?! 0\d*+[ ] ) \d{{1,3}} (?P<g>[.,٬'’ \u00a0\u2007\u2009\u202f]) \d{{3}} (?!\d)
            (?: (?P=g)\d{{3}} (?!\d) )*+ (?! (?<=\.\d\d\d)\.\d ) (?: (?!(?P=g))[.,٫]\d++ )?
        | \d++ (?: \.\d++ ){{2,}}+
        | \d++/\d++ (?!/?\d)
        | (?<!\d[.,]) \d++[.,٫]\d++ (?![.,]\d)
        | \d++
    )
"""

_SIGNS = re.compile(r"[0-9`<&\[{%@\u0250-\U0010ffff]|://|www\.", re.IGNORECASE)
"""One of these is in every span; most sentences of Latin letters have none, and are looked at no further."""
_URL_SIGNS = re.compile(r"://|www\.", re.IGNORECASE)


@cache
def _candidates(with_urls: bool, with_emails: bool) -> "regex.Pattern[str]":
    """What may be a span. Addresses may begin with any letter: to look for them takes most of the time."""
    patterns = {
        "code": "`++",
        "url": _URL * with_urls,
        "email": _EMAIL * with_emails,
        "tag": _TAG,
        "placeholder": _PLACEHOLDER,
        "emoji": _EMOJI,
        "number": _NUMBER,
    }
    groups = "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in patterns.items() if pattern)
    return regex.compile(groups, regex.V1 | regex.VERBOSE)


_GLUED = regex.compile(rf"[{_WORD}--\d_]{{6}}|[{_WORD}--\d_]{{0,5}}[\d_]", regex.V1)
"""What follows digits that are part of a word: more letters than a unit or an ordinal has, or letters and a digit."""

_DELIMITER = re.compile(r"`+|<!--|-->")
_APOSTROPHE = regex.compile(r"(?<=[\p{Lu}\p{Ll}])`(?=[\p{Lu}\p{Ll}])")


def find_spans(text: str, kinds: Collection[Kind] = ALL_KINDS) -> list[Span]:
    """The spans of `kinds` in the order of the text, never overlapping.

    What begins first wins, and at the same place the kind that `Kind` lists first: a URL in a tag is part of the tag,
    a number in a URL part of the URL, whichever kinds are asked for. (A keycap is an emoji, not its digit.)
    """
    return [span for span in _all_spans(text) if span.kind in kinds]


@lru_cache(maxsize=16)  # few: those of a long text full of numbers take megabytes
def _all_spans(text: str) -> tuple[Span, ...]:
    """All of a text's spans: a dozen checks look at a source and at its translation, one after the other."""
    if not _SIGNS.search(text):
        return ()
    candidates = _candidates(_URL_SIGNS.search(text) is not None, "@" in text)
    ends = _delimited_ends(text)
    spans, position = [], 0
    while match := candidates.search(text, position):
        kind, start = Kind(match.lastgroup), match.start()
        end = _end(kind, match, ends)
        if end is not None:
            spans.append(Span(kind, start, end, text[start:end]))
        position = match.end() if end is None else end
    return tuple(spans)


def without_spans(text: str) -> str:
    """The text with a space in the place of each span."""
    parts, position = [], 0
    for span in find_spans(text):
        parts.append(text[position : span.start])
        position = span.end
    return " ".join((*parts, text[position:]))


def canonical(span: Span) -> str:
    """What two spans are compared by: the value as it is, or for a number its value whatever the locale.

    A number comes out in ASCII digits, without grouping, with a point before its decimals and no zeros at their end.
    One comma or point with exactly three digits behind it and one to three before it, the first of them not 0, is
    read as grouping, since no locale is known: "1,234", "1.234" and "1 234" are all 1234, so that a number written
    for another locale compares equal; the price is that 1.234 (a little over one) cannot be told from 1234. Dates and
    versions are their groups joined by points, times by colons, fractions by a slash, all without leading zeros;
    their order is kept.
    """
    return _canonical_number(span.value) if span.kind is Kind.NUMBER else span.value


def lost(source: str, output: str, kinds: Collection[Kind] = ALL_KINDS) -> list[str]:
    """Values of the source's spans that the output does not have, each as often as it is missing, in source order."""
    left = Counter((span.kind, canonical(span)) for span in find_spans(output, kinds))
    missing = []
    for span in find_spans(source, kinds):
        key = span.kind, canonical(span)
        if left[key]:
            left[key] -= 1
        else:
            missing.append(span.value)
    return missing


def invented(source: str, output: str, kinds: Collection[Kind] = ALL_KINDS) -> list[str]:
    """Values of the output's spans that the source does not have, each as often as it is too many."""
    return lost(output, source, kinds)


def _end(kind: Kind, match: regex.Match[str], delimited_ends: dict[int, int]) -> int | None:
    """Where the span that a candidate begins ends; None when the candidate is no span."""
    start: int = match.start()
    end: int = match.end()
    value: str = match.group()
    if kind is Kind.CODE or value == "<!--":
        return delimited_ends.get(start)
    if kind is Kind.URL:
        return start + len(value.rstrip(_AFTER_URL))
    if kind is Kind.NUMBER and _GLUED.match(match.string, end):
        return None
    return end


def _delimited_ends(text: str) -> dict[int, int]:
    """Where code and comments end, by where they begin.

    A run of backticks is closed by the next run of the same length, as in Markdown; runs of one or two, on the same
    line only. A single backtick between two letters is an apostrophe, and opens nothing.
    """
    ends: dict[int, int] = {}
    closing: dict[str, re.Match[str]] = {}
    for mark in reversed(list(_DELIMITER.finditer(text))):
        delimiter = mark.group()
        close = closing.get(delimiter.replace("<!--", "-->"))
        if close and (delimiter == "<!--" or (delimiter[0] == "`" and _is_code(text, mark, close))):
            ends[mark.start()] = close.end()
        closing[delimiter] = mark
    return ends


def _is_code(text: str, opening: re.Match[str], closing: re.Match[str]) -> bool:
    if len(opening.group()) > 2:
        return True
    return not (_APOSTROPHE.match(text, opening.start()) or LINE_BREAK.search(text, opening.end(), closing.start()))


def _canonical_number(value: str) -> str:
    plain = "".join(str(int(char)) if char.isdecimal() else char for char in value)
    groups, marks = re.findall(r"\d+", plain), re.findall(r"\D", plain)
    if joiner := _group_joiner(groups, marks):
        return joiner.join(group.lstrip("0") or "0" for group in groups)
    if not marks or not _has_decimals(groups, marks):
        return "".join(groups)
    whole, decimals = "".join(groups[:-1]), groups[-1].rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def _group_joiner(groups: list[str], marks: list[str]) -> str | None:
    """What stands between the groups of a date, version, time or fraction; None for a number."""
    if not marks:
        return None
    if marks[0] in ":h":
        return ":"
    if marks[0] in "/-":
        return "/" if len(groups) == 2 else "."
    return "." if marks[0] == marks[-1] == "." and len(marks) > 1 and not _are_thousands(groups) else None


def _are_thousands(groups: list[str]) -> bool:
    return 1 <= len(groups[0]) <= 3 and groups[0][0] != "0" and all(len(group) == 3 for group in groups[1:])


def _has_decimals(groups: list[str], marks: list[str]) -> bool:
    last = marks[-1]
    if last == "٫":
        return True
    return last in ".," and marks.count(last) == 1 and not (len(marks) == 1 and _are_thousands(groups))
