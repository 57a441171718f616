"""Words are counted, required and forbidden, in scripts with spaces and without."""

import pytest

from pipeline.text import checks
from pipeline.text.words import count_words
from schemas.results import Check


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("don't do well-known 3.5 things", 5),
        ("送货晚了", 2),
        ("送货晚了吗", 3),
        ("このランプは机を明るく照らします。", 8),
        ("Django 框架", 2),
        ("😀 — !", 0),
        ("हिन्दी भाषा", 2),
    ],
)
def test_words_are_counted(text: str, words: int) -> None:
    assert count_words(text) == words
    assert checks.length_words(text, words, words).passed
    assert checks.length_words(text, None, None).passed
    assert not checks.length_words(text, words + 1, None).passed
    assert f"the answer has {words} words" in (checks.length_words(text, None, words - 1).detail or "")


def test_required_words_stand_alone_up_to_case_and_plural() -> None:
    passing = checks.required_words(
        "Two LED lamps, café-style; 使用Django框架", ["led", "Lamp", "CAFÉ", "框架", "Django", ""]
    )
    assert passing == Check(name="required_words", passed=True)
    assert "'led', 'box'" in checks.required_words("A ledger and a boxer", ["led", "box"]).detail
    assert not checks.required_words("A free-standing lamp", ["free standing"]).passed
    assert checks.required_words("Easy  to\nuse", ["easy to use"]).passed


def test_forbidden_words_stand_alone() -> None:
    assert checks.forbidden_words("You cannot; the cans", ["can"]).passed
    assert "'Best'" in checks.forbidden_words("The best lamp", ["Best", "cheap"]).detail
    assert not checks.forbidden_words("最好的灯", ["最好"]).passed
    assert not checks.forbidden_words("100% natural", ["100%"]).passed
