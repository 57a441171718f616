"""Whether an answer is a translation at all: in the language, no copy of its source, about as long."""

from collections import Counter

import regex  # type: ignore[import-untyped]

from pipeline.text.checks.verdict import verdict
from pipeline.text.languages import is_language, language_name
from pipeline.text.spans import without_spans
from pipeline.text.words import DENSE_CHAR, WORD, folded_words
from schemas.results import Check

_MIN_COPY_LETTERS = 12
_MIN_COPY_LETTERS_DENSE = 6
_MIN_COPY_WORDS = 3
_MIN_COPY_LOWER_WORDS = 2
_MIN_COPY_TITLE_WORDS = 8
_COPY_SHARE = 0.9

_LENGTH_SLACK = 12
_DENSITIES = ((regex.compile(r"[\p{Han}]"), 3.0), (regex.compile(r"[\p{Hiragana}\p{Katakana}\p{Hangul}]"), 2.0))


def in_language(output: str, code: str) -> Check:
    """Fails when the answer is surely in another language; short or ambiguous answers pass (`is_language`).

    Raises:
        ValueError: for a language that `languages.normal_code` does not know.
    """
    is_wrong = is_language(output, code) is False
    return verdict("language", f"the answer is not in {language_name(code)}; write it in that language" * is_wrong)


def not_copied(source: str, output: str, same_language_expected: bool = False) -> Check:
    """Fails when the answer is the source again, up to case, spaces, punctuation and one word in ten.

    What a translation leaves as it is does not count: spans, and texts that may be all names (one or two words, fewer
    than 12 letters, or hardly a word in lower case). With `same_language_expected` every answer passes.
    """
    prose = without_spans(source)
    is_copy = not same_language_expected and _is_prose(prose) and _overlap(prose, without_spans(output)) >= _COPY_SHARE
    return verdict("not_copied", "the answer repeats the source; write it anew as asked" * is_copy)


def _is_prose(text: str) -> bool:
    if len(DENSE_CHAR.findall(text)) >= _MIN_COPY_LETTERS_DENSE:
        return True
    words = [word for word in WORD.findall(text.lower() if text.isupper() else text) if not word[0].isdigit()]
    has_prose = sum(word[0].islower() or not _is_cased(word) for word in words) >= _MIN_COPY_LOWER_WORDS
    return (
        len(words) >= _MIN_COPY_WORDS
        and sum(map(len, words)) >= _MIN_COPY_LETTERS
        and (has_prose or len(words) >= _MIN_COPY_TITLE_WORDS)
    )


def _is_cased(word: str) -> bool:
    return word.lower() != word.upper()


def _overlap(one: str, other: str) -> float:
    """Share of the words of both that they have in common; of characters in scripts without spaces."""
    ones, others = (Counter(folded_words(text)) for text in (one, other))
    total = ones.total() + others.total()
    return 2 * (ones & others).total() / total if total else 0.0


def length_ratio(source: str, output: str, low: float = 0.33, high: float = 3.0) -> Check:
    """Fails when the answer is shorter than `low` or longer than `high` times the source, give or take 12 characters.

    A Han character counts three, a kana or Hangul two, because that is about what they stand for. An empty answer
    fails for every source that is not empty.
    """
    of_source, of_output = _weighted_length(source), _weighted_length(output)
    problem = ""
    if of_source and not of_output:
        problem = "the answer is empty"
    elif of_output < low * of_source - _LENGTH_SLACK:
        problem = (
            f"the answer is too short for its source ({len(output)} for {len(source)} characters); leave nothing out"
        )
    elif of_output > high * of_source + _LENGTH_SLACK:
        problem = f"the answer is too long for its source ({len(output)} for {len(source)} characters); add nothing"
    return verdict("length_ratio", problem)


def _weighted_length(text: str) -> float:
    text = text.strip()
    return len(text) + sum((weight - 1) * len(script.findall(text)) for script, weight in _DENSITIES)
