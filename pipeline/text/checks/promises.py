"""What an answer promises, and whether anything that it was made from does: amounts, times, benefits."""

import re
from collections.abc import Iterable

from pipeline.text.checks.verdict import quote, verdict
from pipeline.text.checks.vocabulary import (
    ARTICLES,
    BENEFITS,
    CURRENCIES,
    MONTHS,
    NUMBER_WORDS,
    UNITS,
    WEEKDAYS,
)
from pipeline.text.spans import Kind, Span, canonical
from pipeline.text.words import folded
from schemas.results import Check

_NUM = r"\d++(?:[.,'\u00a0\u202f]\d++|[ ]\d{3}(?!\d)){0,6}+"
_COUNT = "|".join((_NUM, *sorted(NUMBER_WORDS.keys() - ARTICLES, key=len, reverse=True)))
_CURRENCY = "|".join(CURRENCIES.values())
_UNIT = "|".join(UNITS.values())
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))

_MONEY = re.compile(rf"(?<!\w)(?:({_CURRENCY})\s?({_NUM})|({_NUM})\s?({_CURRENCY}))")
_PERCENT = re.compile(
    rf"(?<![\w.,])({_NUM})\s?(?:%|per ?cent\b|por ciento\b|pour ?cent\b|prozent\b|p[eo]r cento\b|procent\b)"
)
_DURATION = re.compile(
    rf"(?<![\w.,])({_COUNT})(?:\s?(?:-|–|to|a|à|bis|o|or|tot)\s?({_COUNT}))?[\s\-]{{0,2}}"
    rf"(?:(?:business|working|calendar|full|other)\s)?({_UNIT})(?!\w)"
)
_ISO_DATE = re.compile(r"(?<!\d)\d{4}-(\d{1,2})-(\d{1,2})(?!\d)")
_NUMERIC_DATE = re.compile(r"(?<![\d./\-])(\d{1,2})([./\-])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)")
_DAY_MONTH = re.compile(rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|er|º|°|\.)?\s(?:de\s|of\s)?({_MONTH})(?!\w)")
_MONTH_DAY = re.compile(rf"(?<!\w)({_MONTH})\s(\d{{1,2}})(?:st|nd|rd|th)?(?![\d.,]?\d)")
_MONTH_YEAR = re.compile(rf"(?<!\w)({_MONTH})\s(?:de\s|of\s)?(\d{{4}})(?!\d)")
_WEEKDAY = re.compile(rf"(?<!\w)({'|'.join(WEEKDAYS)})s?(?!\w)")
_BENEFIT = {name: re.compile(rf"(?<!\w)(?:{words})(?!\w)") for name, words in BENEFITS.items()}

_Mention = tuple[str, frozenset[tuple[str, ...]]]
"""How the text says it, and what it may mean."""


def amounts_from(output: str, *sources: str) -> Check:
    """Fails when the answer promises what no source does: an amount, a time or a benefit.

    Amounts of money and percentages, durations and dates must occur in a source with the same number and unit, in any
    of seven languages and any spelling ("12 March" for "2026-03-12"). Benefits are concepts (a refund, a discount, a
    replacement, a voucher, compensation, something free, a credit) that a source must mention at least.

    Who mentions also denies: "we cannot offer a refund" fails where no source speaks of refunds. Not looked at: "24
    hours" for "one day", "a week", "tomorrow", amounts written as words, and whose promise it is.
    """
    known = {meaning for source in sources for _, meanings in _mentions(source) for meaning in meanings}
    new = [words for words, meanings in _mentions(output) if not meanings & known]
    problem = f"what was given does not promise {quote(list(dict.fromkeys(new)))}; leave it out" if new else ""
    return verdict("promises", problem)


def _mentions(text: str) -> list[_Mention]:
    text = folded(text)
    found = [*_moneys(text), *_percentages(text), *_durations(text), *_dates(text)]
    for concept, pattern in _BENEFIT.items():
        if match := pattern.search(text):
            found.append((match.group(), frozenset({("promise", concept)})))
    return found


def _moneys(text: str) -> Iterable[_Mention]:
    for match in _MONEY.finditer(text):
        symbol, value = match[1] or match[4], match[2] or match[3]
        currency = next(code for code, pattern in CURRENCIES.items() if re.match(pattern, symbol))
        yield match.group(), frozenset({("money", currency, _value(value))})


def _percentages(text: str) -> Iterable[_Mention]:
    for match in _PERCENT.finditer(text):
        yield match.group(), frozenset({("percent", _value(match[1]))})


def _durations(text: str) -> Iterable[_Mention]:
    """A range is its two ends, and a business day a day: a source's "3–5 business days" allows "5 days"."""
    for match in _DURATION.finditer(text):
        unit = next(name for name, pattern in UNITS.items() if re.fullmatch(pattern, match[3]))
        for number in filter(None, (match[1], match[2])):
            yield match.group(), frozenset({("duration", _value(number), unit.removeprefix("business "))})


def _dates(text: str) -> Iterable[_Mention]:
    for match in _ISO_DATE.finditer(text):
        yield match.group(), frozenset({_date(match[1], match[2])})
    for match in _NUMERIC_DATE.finditer(text):  # day first or month first: either will do
        yield match.group(), frozenset({_date(match[1], match[3]), _date(match[3], match[1])})
    for match in _DAY_MONTH.finditer(text):
        yield match.group(), frozenset({_date(MONTHS[match[2]], match[1])})
    for match in _MONTH_DAY.finditer(text):
        yield match.group(), frozenset({_date(MONTHS[match[1]], match[2])})
    for match in _MONTH_YEAR.finditer(text):
        yield match.group(), frozenset({("month", str(MONTHS[match[1]]), match[2])})
    for match in _WEEKDAY.finditer(text):
        yield match.group(), frozenset({("weekday", str(WEEKDAYS[match[1]]))})


def _date(month: int | str, day: int | str) -> tuple[str, ...]:
    return "date", str(int(month)), str(int(day))


def _value(number: str) -> str:
    if number in NUMBER_WORDS:
        return str(NUMBER_WORDS[number])
    return canonical(Span(Kind.NUMBER, 0, len(number), number))
