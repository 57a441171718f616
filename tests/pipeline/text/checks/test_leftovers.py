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
        "Certainly, here's a short product description\nA lamp",
        "¡Claro! Aquí tienes la traducción: Hola",
        "Bien sûr ! Voici la réponse : Bonjour",
        "Certo! Ecco la risposta: Ciao",
        "I am sorry, but as an AI I cannot say",
        "Como IA, no puedo decirlo",
        "Als KI kann ich das nicht sagen",
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
        "Of course! Here is how to reset the lamp: hold the button.",
        "Sure, here are the opening hours: 9 to 5.",
        "Certainly, here is your tracking number: 123",
        "Here is the email address you need: a@b.example",
        "It works as an AI assistant for your kitchen.",
        "Funciona como una IA local.",
        "Schneller als KI-Modelle von gestern",
    ],
)
def test_plain_texts_have_no_leftovers(text: str) -> None:
    assert checks.no_leftovers(text) == Check(name="no_leftovers", passed=True)
