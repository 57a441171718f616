"""A translation is in its language, no copy, and about as long as its source."""

import pytest

from pipeline.text import checks

_PROSE = (
    "The lamp is easy to set up. Its arm turns in every direction, and a small switch on the base sets one of three "
    "levels of light. We tested it in a workshop, a bedroom and a kitchen, and it did well in each of them. "
)


def test_the_language_fails_only_when_it_is_surely_another() -> None:
    assert checks.in_language("El pedido llegó tarde.", "es").passed
    assert checks.in_language("OK", "es").passed
    failed = checks.in_language("The order arrived late and broken.", "pt-BR")
    assert failed.detail == "the answer is not in Brazilian Portuguese; write it in that language"
    with pytest.raises(ValueError, match="unknown language"):
        checks.in_language("", "klingonish")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("Your order has been shipped.", "your order has been  shipped"),
        (
            "Your order has been shipped to {name} at last, and it will arrive soon.",
            "Your order has been shipped to {name} at last, and it will arrive today.",
        ),
        ("WE SHIP YOUR ORDER TODAY", "We ship your order today"),
        ("您的订单已经发货了", "您的订单已经发货了。"),
    ],
)
def test_copies_are_found(source: str, output: str) -> None:
    assert not checks.not_copied(source, output).passed
    assert checks.not_copied(source, output, same_language_expected=True).passed


@pytest.mark.parametrize(
    "text", ["OK", "Django", "Email", "1234", "", "{name}", "Apple iPhone 15 Pro Max", "New York Times"]
)
def test_what_translation_leaves_as_it_is_is_no_copy(text: str) -> None:
    assert checks.not_copied(text, text).passed
    assert checks.not_copied("Your order has been shipped.", "Su pedido ha sido enviado.").passed


def test_lengths_are_compared_by_what_characters_stand_for() -> None:
    assert checks.length_ratio("OK", "Einverstanden").passed
    assert checks.length_ratio("The delivery was late and the box was broken.", "送货晚了，盒子也坏了。").passed
    assert checks.length_ratio("送货晚了，盒子也坏了。", "The delivery was late and the box was broken.").passed
    assert checks.length_ratio("Please confirm your e-mail address now.", "メールアドレスを確認してください。").passed
    assert "too short" in checks.length_ratio(_PROSE, "La lámpara.").detail
    assert "too long" in checks.length_ratio("The lamp is easy.", _PROSE).detail
    assert checks.length_ratio("Yes", " ").detail == "the answer is empty"
