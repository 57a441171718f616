"""What a person would not send is found."""

import pytest

from pipeline.text import checks
from schemas.results import Check


@pytest.mark.parametrize(
    "text",
    [
        "Dear [Your Name],",
        "[Company]",
        "<insert product>",
        "Buy {product}",
        "{{x}}",
        "Call XXX",
        "TODO: price",
        "Lorem ipsum dolor",
        "As an AI language model, I",
        "Here is the translation: Hola",
        "Sure! Here is your text",
        "```\nHola\n```",
        "Hi<|im_end|>",
        "Aquí tienes la traducción:\nHola",
        "Here's the product description you asked for:\n\nA lamp",
        "[INST] Hi",
    ],
)
def test_leftovers_are_found_unless_given(text: str) -> None:
    assert not checks.no_leftovers(text).passed
    assert checks.no_leftovers(text, allowed=f"Brief: {text}").passed


@pytest.mark.parametrize(
    "text",
    [
        "See [1] and [your cart](https://a.example)",
        "Size XXXL",
        "Lo cambia TODO.",
        "Here is the lamp that you wanted.",
        "Use `x` and\n```\ncode\n```\nthen",
        "a < b > c",
        "Here's the deal: it is small.",
    ],
)
def test_plain_texts_have_no_leftovers(text: str) -> None:
    assert checks.no_leftovers(text) == Check(name="no_leftovers", passed=True)
