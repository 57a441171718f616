"""What is said again: within an answer, and by one answer after another."""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from pipeline.text.checks.verdict import MAX_QUOTE_CHARS, quote, verdict
from pipeline.text.words import DENSE_CHAR
from schemas.results import Check

_LOOP_TAIL_CHARS = 20_000
_MIN_LOOP_CHARS = 24
_MIN_LOOP_CHARS_DENSE = 12
_MAX_UNIT_CHARS = 60
_LOOP = re.compile(rf"(?s)([^\W_])\1{{19,}}|(\S.{{1,{_MAX_UNIT_CHARS - 1}}}?)\2{{5,}}")
_STEP, _STEP_DENSE = 6, 3
_SENTENCE_END = re.compile(r"[\n.!?。！？]+")
_MIN_SENTENCE_CHARS = 15
_MAX_SENTENCE_REPEATS = 3
_LOOP_SENTENCE_SHARE = 0.4
_MIN_COMPRESSED_CHARS = 1000
_LOOP_COMPRESSION = 8.0
_LETTERS_AND_DIGITS = regex.compile(r"[\p{L}\p{N}\p{M}]++")


def no_loop(output: str, source: str = "") -> Check:
    """Fails when the answer repeats itself as a stuck model does; passes when the source repeats itself likewise.

    A loop is one of: a character 20 times or a word or phrase of up to 60 characters six times in a row; a sentence or
    line four times that makes up 40 % of the text; a text of 1000 characters that zlib makes eight times smaller
    (prose: 2 to 3 times). Runs in a row are looked for in the last 20 000 characters, where a loop would still go on.
    """
    for find in (_run, _repeated_sentence, _compressed):
        if (repeated := find(output)) and not find(source):
            return verdict("no_loop", f"the answer repeats itself ({quote([repeated])}); say each thing once")
    return verdict("no_loop", "")


def _run(text: str) -> str:
    text = text[-_LOOP_TAIL_CHARS:]
    if not _may_run(text):
        return ""
    for match in _LOOP.finditer(text):
        run, unit = match.group(), match[1] or match[2]
        least = _MIN_LOOP_CHARS_DENSE if DENSE_CHAR.search(unit) else _MIN_LOOP_CHARS
        if match[1] or (len(run) >= least and any(map(str.isalnum, unit))):
            return unit.strip() or unit
    return ""


def _may_run(text: str) -> bool:
    """Whether any few characters stand there three times, equally far apart: so it is in each run, and in little else.

    They are looked for from every sixth character on, or third: of the shortest run, one of them and the next is in it.
    """
    step = _STEP_DENSE if DENSE_CHAR.search(text) else _STEP
    for start in range(0, len(text), step):
        few, furthest = text[start : start + step], start + _MAX_UNIT_CHARS + step
        again = text.find(few, start + 1, furthest)
        while again >= 0:
            if text.startswith(few, 2 * again - start):
                return True
            again = text.find(few, again + 1, furthest)
    return False


def _repeated_sentence(text: str) -> str:
    sentences = Counter(" ".join(part.split()).casefold() for part in _SENTENCE_END.split(text))
    for sentence, times in sentences.most_common():
        if times <= _MAX_SENTENCE_REPEATS:
            return ""
        if len(sentence) >= _MIN_SENTENCE_CHARS and times * len(sentence) >= _LOOP_SENTENCE_SHARE * len(text):
            return sentence
    return ""


def _compressed(text: str) -> str:
    if len(text) < _MIN_COMPRESSED_CHARS:
        return ""
    data = text.encode("utf-8", "replace")
    return text[-MAX_QUOTE_CHARS:] if len(data) > _LOOP_COMPRESSION * len(zlib.compress(data)) else ""


def distinct(outputs: Sequence[str]) -> list[int]:
    """Indices of the outputs that are equal to an earlier one up to case, spaces and punctuation."""
    seen: set[str] = set()
    repeats = []
    for index, output in enumerate(outputs):
        folded = unicodedata.normalize("NFKC", output).casefold()
        key = " ".join(_LETTERS_AND_DIGITS.findall(folded)) or " ".join(folded.split())
        if key in seen:
            repeats.append(index)
        seen.add(key)
    return repeats
