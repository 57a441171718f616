"""Cut a text into pieces short enough to translate one by one, and join them again without loss.

All decisions are made on the text's outline: the text with each span (`pipeline.text.spans`) replaced by as many
noncharacters, which are no letters, no space and no punctuation. So whatever looks for words or borders there cannot
take the inside of a span for one.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import regex  # type: ignore[import-untyped]

from pipeline.text.spans import EXTEND, LINE_BREAK, find_spans


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: to be translated, or glue to be copied."""

    text: str
    translate: bool


def split_text(text: str, max_chars: int) -> list[Piece]:
    """Pieces that make up `text` when joined, none of them empty.

    Pieces to translate hold a letter outside spans, no line break, and no white space at either end; they are at most
    `max_chars` long unless a single grapheme cluster is longer. A line that fits is one piece; a longer one is cut
    where the best border is: after a sentence, else after a clause, else at a space, else between grapheme clusters,
    never in a span. Sentences share a piece as long as they fit. Everything else is glue: line breaks, white space
    around lines, marks of lists, headings and quotes, and whatever holds no letters outside spans, such as a code
    block or a URL on a line of its own or one too long for any piece.

    Raises:
        ValueError: if `max_chars` is less than 1.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars is {max_chars}, and no piece can be shorter than 1 character")
    pieces, start = [], 0
    for length, translate in _cut(_outline(text), max_chars):
        if length:
            pieces.append(Piece(text[start : start + length], translate))
        start += length
    return pieces


def join_text(pieces: Sequence[Piece], translations: Sequence[str]) -> str:
    """The text with the pieces to translate replaced by `translations`, in order, and the glue as it was.

    Raises:
        ValueError: if there are more or fewer translations than pieces to translate.
    """
    num_expected = sum(piece.translate for piece in pieces)
    if len(translations) != num_expected:
        raise ValueError(f"{num_expected} pieces to translate, but {len(translations)} translations")
    remaining = iter(translations)
    return "".join(next(remaining) if piece.translate else piece.text for piece in pieces)


_MANY_LINES, *_ONE_LINE = "\ufdd0", "\ufdd1", "\ufdd2"
"""Noncharacters that stand for a span with a line break in it, and in turns for the others, so that neighbours stay
apart."""

_BETWEEN_LINES = regex.compile(rf"{LINE_BREAK.pattern}|\p{{GCB=Prepend}}*+\ufdd0++{EXTEND}*+", regex.V1)
_ATOM = regex.compile(rf"\p{{GCB=Prepend}}*+(?:\ufdd1++|\ufdd2++){EXTEND}*+|\X", regex.V1)
"""What is never cut: a span or a grapheme cluster."""


def _outline(text: str) -> str:
    parts, end = [], 0
    for span, mark in zip(find_spans(text), cycle(_ONE_LINE), strict=False):
        parts += [text[end : span.start], (_MANY_LINES if LINE_BREAK.search(span.value) else mark) * len(span.value)]
        end = span.end
    return "".join([*parts, text[end:]])


def _cut(outline: str, max_chars: int) -> Iterator[tuple[int, bool]]:
    """The lengths of the pieces, some of them 0, and whether to translate them."""
    start = 0
    for between in _BETWEEN_LINES.finditer(outline):
        yield from _cut_line(outline[start : between.start()], max_chars)
        yield between.end() - between.start(), False
        start = between.end()
    yield from _cut_line(outline[start:], max_chars)


_SPACE = r"[\s\x1f]"
"""What `str.strip` strips, but for line breaks that `regex` knows nothing of."""

_LINE_START = regex.compile(
    rf"""
    {_SPACE}*+ (?: >(?!{EXTEND}) {_SPACE}*+ )*+
    (?: (?: \#{{1,6}} | [\-*+•‣◦▪–—] | [\d\ufdd1\ufdd2]{{1,3}}[.)] ) {_SPACE}++ )*+
    (?: \[[ xX]\] {_SPACE}++ )?+
    """,
    regex.V1 | regex.VERBOSE,
)


def _cut_line(line: str, max_chars: int) -> Iterator[tuple[int, bool]]:
    start = _LINE_START.match(line).end()
    body = line[start:].rstrip()
    yield start, False
    yield from _cut_body(body, max_chars)
    yield len(line) - start - len(body), False


_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…؟۔।॥։።]++[\"'”’»)\]]*+(?=\s)|[。！？｡]++[」』”’）】》]*+")
_CLAUSE_END = re.compile(r"[;,:،؛](?=\s)|\s(?=[–—]\s)|[、，；：]++")
_SPACES = re.compile(r"\s+")
_NO_SENTENCE_END = re.compile(
    r"""(?: ^ | [\s(\[„“"'] )
    (?: [^\W\d_] | [\d\ufdd1\ufdd2]{1,2} | (?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}
        | mrs? | ms | mme | mlle | messrs | drs? | prof | rev | hon | gen | col | sgt | capt | lt | st | ste | jr | sr
        | no | nos | nr | núm | vol | vols | pp? | fig | figs | ed | eds | ch | sec | art | abs | par | eq
        | etc | usw | bzw | ca | approx | vs | cf | al | ggf | evtl | inkl | zzgl | vgl | sog | ehem | geb | gest | tel
        | inc | ltd | corp | co | dept | est | ave | blvd | hr | fr | sra? | srta | dña? | ud | uds
        | jan | feb | mar | apr | jun | jul | aug | sept? | oct | okt | nov | dec | dez
    ) \. $""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_ABBREVIATION = 16


def _cut_body(body: str, max_chars: int) -> Iterator[tuple[int, bool]]:
    borders = _borders(body) if len(body) > max_chars else [[len(body)]]
    start = 0
    while start < len(body):
        end = _best_border(borders, start, start + max_chars)
        yield end - start, any(map(str.isalpha, body[start:end]))
        spaces = _SPACES.match(body, end)
        start = spaces.end() if spaces else end
        yield start - end, False


def _borders(body: str) -> list[list[int]]:
    """Where pieces may end: at sentences, at clauses, at spaces, between atoms; each sorted, each with the end."""
    atoms = [atom.end() for atom in _ATOM.finditer(body) if not atom.group()[-1].isspace()]
    whole = set(atoms)
    sentences = [end.end() for end in _SENTENCE_END.finditer(body) if not _is_abbreviation(body, end)]
    clauses = [end.start() if end.group().isspace() else end.end() for end in _CLAUSE_END.finditer(body)]
    spaces = [space.start() for space in _SPACES.finditer(body)]
    return [[end for end in ends if end in whole] + [len(body)] for ends in (sentences, clauses, spaces)] + [atoms]


def _best_border(borders: Sequence[Sequence[int]], start: int, limit: int) -> int:
    """The last border up to `limit` of the best sort that has one after `start`; else the next one of the last sort."""
    for ends in borders:
        last = bisect_right(ends, limit) - 1
        if last >= 0 and ends[last] > start:
            return ends[last]
    return borders[-1][bisect_right(borders[-1], start)]


def _is_abbreviation(body: str, end: re.Match[str]) -> bool:
    if not end.group().startswith("."):
        return False
    before = body[max(0, end.start() - _LONGEST_ABBREVIATION) : end.start() + 1]
    return _NO_SENTENCE_END.search(before) is not None
