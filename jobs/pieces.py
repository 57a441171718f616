"""The pieces of a text that are translated, each by itself, and the language that it is in.

All of it is remembered, for it is asked for again and again while a row is at work: for each of its pieces, in each
round.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from pipeline.text.languages import Detected, detect, is_language, normal_code
from pipeline.text.spans import LINE_BREAK
from pipeline.text.splitting import Piece, split_text

AUTO = "auto"
"""Given for the language of texts, it is found out for each."""
_SURE = 0.8
"""A detected language of this confidence is taken for the text's."""


@lru_cache(maxsize=512)
def source_of(text: str, given: str) -> Detected:
    """The language of a text: the one that is given, or else the one that is found."""
    return detect(text) if given == AUTO else Detected(given, 1.0)


@lru_cache(maxsize=512)
def pieces_of(text: str, given: str, target: str, piece_chars: int) -> tuple[Piece, ...]:
    """The text's pieces; what is in the target language already is copied.

    A text can hold several languages, whatever the whole of it is taken for, so each piece has its say: in a text of
    another language those are copied that are surely in the target's, in one of the target language those are
    translated that are surely not.
    """
    source = source_of(text, given)
    arrived = source.confidence >= _SURE and normal_code(source.language) == target
    pieces = split_text(text, piece_chars)
    if given == AUTO:
        needed = surely_not_in if arrived else lambda piece, code: not surely_in(piece, code)
        pieces = [Piece(piece.text, piece.translate and needed(piece.text, target)) for piece in pieces]
    if arrived and (given != AUTO or not any(piece.translate for piece in pieces)):
        return (Piece(text, translate=False),)
    return tuple(pieces)


@lru_cache(maxsize=4096)
def surely_in(text: str, code: str) -> bool:
    """Whether there is no doubt that a text is in a language."""
    found = detect(text)
    return found.confidence >= _SURE and found.language == code and is_language(text, code) is True


@lru_cache(maxsize=4096)
def surely_not_in(text: str, code: str) -> bool:
    """Whether there is no doubt that a text is in another language."""
    found = detect(text)
    return found.confidence >= _SURE and found.language != code and is_language(text, code) is False


def aligned(pieces: Sequence[Piece], reference: str) -> list[str] | None:
    """What a translation of the whole text has for each piece to translate; None if that cannot be told for certain.

    It can where what is copied (line breaks, marks of lists, code) stands in the reference too, white space aside, and
    no line was cut: where in the reference the first of two sentences ends, nobody has said.
    """
    pattern, glue = "", "\n"
    for piece in pieces:
        if not piece.translate:
            glue += LINE_BREAK.sub("\n", piece.text)
            continue
        if "\n" not in glue:
            return None
        pattern, glue = pattern + _copied(glue) + r"(\S(?:[^\n]*\S)?)", ""
    pattern += _copied(glue + "\n")
    found = re.fullmatch(pattern, "\n" + LINE_BREAK.sub("\n", reference).strip() + "\n")
    return None if found is None else list(found.groups())


def _copied(glue: str) -> str:
    """A pattern for what is copied, however much white space is where it has some."""
    parts = re.split(r"(\s+)", glue)
    return "".join(
        (r"[^\S\n]*\n\s*" if "\n" in part else r"[^\S\n]*") if part.isspace() else re.escape(part) for part in parts
    )
