"""What an answer must say, must not say, and how long it may be."""

from collections.abc import Iterable

from pipeline.text.checks.verdict import quote, verdict
from pipeline.text.words import count_words, folded, has_word
from schemas.results import Check


def length_words(output: str, low: int | None, high: int | None) -> Check:
    """Fails when the answer has fewer than `low` or more than `high` words (`count_words`)."""
    count = count_words(output)
    problem = ""
    if low is not None and count < low:
        problem = f"the answer has {count} words; write at least {low}"
    elif high is not None and count > high:
        problem = f"the answer has {count} words; write at most {high}"
    return verdict("length", problem)


def required_words(output: str, words: Iterable[str]) -> Check:
    """Fails when a word or phrase is missing; case does not matter, and a plural in -s or -es will do.

    A word stands alone, except in scripts without spaces.
    """
    text = folded(output)
    missing = [word for word in words if folded(word) and not has_word(text, folded(word), plural=True)]
    return verdict("required_words", f"these words are missing, use them: {quote(missing)}" if missing else "")


def forbidden_words(output: str, words: Iterable[str]) -> Check:
    """Fails when a word or phrase is there, exactly so up to case; "can" does not forbid "cannot"."""
    text = folded(output)
    used = [word for word in words if folded(word) and has_word(text, folded(word), plural=False)]
    return verdict("forbidden_words", f"these words must not be used: {quote(used)}" if used else "")
