"""What holds for every check: no text is too strange or too long, and a failure is told in one line."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text import checks
from schemas.results import Check

_KEPT = [
    checks.kept_placeholders,
    checks.kept_urls,
    checks.kept_emails,
    checks.kept_numbers,
    checks.kept_code,
    checks.kept_emoji,
]


_CHECKS: list[Callable[[str, str], Check]] = [
    *_KEPT,
    checks.not_copied,
    checks.length_ratio,
    checks.no_leftovers,
    checks.numbers_from,
    checks.amounts_from,
    checks.no_personal_data,
    lambda source, output: checks.no_loop(output, source),
    lambda source, output: checks.in_language(output, "es"),
    lambda source, output: checks.length_words(output, 3, 5),
    lambda source, output: checks.required_words(output, [source[:40], "free"]),
    lambda source, output: checks.forbidden_words(output, [source[:40]]),
]


@settings(deadline=None)
@given(one=st.text(), other=st.text())
@pytest.mark.parametrize("check", _CHECKS)
def test_no_text_is_too_strange(check: Callable[[str, str], Check], one: str, other: str) -> None:
    found = check(one, other)
    assert found.passed == (found.detail is None)
    assert found.passed or len(found.detail.splitlines()) == 1


_pieces = st.lists(
    st.sampled_from(
        [
            "{name}",
            "https://a.example/x",
            "jo@example.com",
            "1,5",
            "20%",
            "`a\nb`",
            "😀",
            "+34 612 345 678",
            "€5",
            "\n",
            "�",
            "3 days",
            "Monday",
            "refund",
            "[Your\u2028Name]",
            "```",
            "DE89 3704 0044 0532 0130 00",
            "TODO:",
            "a",
        ]
    )
).map(" ".join)


@settings(deadline=None)
@given(one=_pieces, other=_pieces)
@pytest.mark.parametrize("check", _CHECKS)
def test_details_are_one_line(check: Callable[[str, str], Check], one: str, other: str) -> None:
    found = check(one, other)
    assert found.passed or len(found.detail.splitlines()) == 1


@settings(deadline=None)
@given(text=st.text() | _pieces)
@pytest.mark.parametrize("check", _KEPT)
def test_a_text_keeps_what_it_has(check: Callable[[str, str], Check], text: str) -> None:
    assert check(text, text).passed


_UNITS = [
    "a",
    "1",
    "1,",
    "1'",
    "1.1 ",
    " ",
    "\n",
    "TODO",
    "TODO ",
    "```",
    "{",
    "[your ",
    "+1 ",
    "1 1 ",
    "one ",
    "ab",
    "x ",
    "refund ",
    "12 mai ",
    "Lorem",
    "$1",
    "aaaaaaab",
    "1\xa0",
    "here is the ",
    "rue a ",
    "AB12 ",
    "。",
    "漢字",
    "<",
]
"""What patterns of this kind are known to choke on, many times in a row."""


@pytest.mark.slow
@pytest.mark.parametrize("check", _CHECKS)
def test_long_texts_of_one_kind_come_to_an_end(check: Callable[[str, str], Check]) -> None:
    for unit in _UNITS:
        text = unit * (20_000 // len(unit))
        assert check(text, text).name
