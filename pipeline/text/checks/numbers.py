"""Numbers of an answer that nothing it was made from has."""

import re

from pipeline.text.checks.verdict import quote, verdict
from pipeline.text.checks.vocabulary import NUMBER_WORDS
from pipeline.text.spans import Kind, canonical, find_spans
from schemas.results import Check

_LIST_MARK = re.compile(r"(?m)^[^\S\n]*+(\d{1,2})[.)](?=\s)")
_LETTERS = re.compile(r"[^\W\d_]+")
_RANK = re.compile(r"#1(?!\d)")


def numbers_from(output: str, *sources: str) -> Check:
    """Fails when a number of the answer is in none of the sources.

    No facts are: the marks of a list that counts up from 1, and "#1". A number may be a word in the source (one to
    twelve, in seven languages) or part of a longer one there; numbers written as words in the answer are not looked at.
    """
    known = {canonical(span) for source in sources for span in find_spans(source, {Kind.NUMBER})}
    known.update(str(int(digits)) for source in sources for digits in re.findall(r"\d{1,40}", source))
    known.update(str(NUMBER_WORDS.get(word, "")) for source in sources for word in _LETTERS.findall(source.casefold()))
    spans = find_spans(_RANK.sub("", _without_list_marks(output)), {Kind.NUMBER})
    new = list(dict.fromkeys(span.value for span in spans if canonical(span) not in known))
    return verdict("numbers", f"these numbers are not in what was given, leave them out: {quote(new)}" if new else "")


def _without_list_marks(text: str) -> str:
    expected = 1

    def blank(mark: re.Match[str]) -> str:
        nonlocal expected
        number = int(mark[1])
        if number not in (1, expected):
            return mark.group()
        expected = number + 1
        return ""

    return _LIST_MARK.sub(blank, text)
