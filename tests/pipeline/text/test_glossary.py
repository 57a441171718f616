"""Glossaries: read or refused in one line, found as whole words, and checked."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.text.glossary import Term, kept_glossary, read_glossary, terms_in

CART = Term("cart", (("es", "carrito"), ("de", "Warenkorb")))
NAME = Term("Torvane", (), keep=True)


def _write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "glossary.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_glossary_is_read(tmp_path: Path) -> None:
    text = '[[terms]]\nsource = "cart"\nSpanish = "carrito"\nde = "Warenkorb"\n'
    text += '[[terms]]\nsource = "Torvane"\nkeep = true\n'
    assert read_glossary(_write(tmp_path, text)) == (CART, NAME)


def test_the_example_is_a_glossary() -> None:
    assert len(read_glossary("jobs/data/glossary.toml")) == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("terms = 1", "no \\[\\[terms\\]\\]"),
        ("x", "cannot read"),
        ("[[terms]]\nes = 'a'", "has no source"),
        ("[[terms]]\nsource = 'a'", "either"),
        ("[[terms]]\nsource = 'a'\nes = 'b'\nkeep = true", "either"),
        ("[[terms]]\nsource = 'a'\nspanisch = 'b'", "unknown language"),
    ],
)
def test_a_wrong_glossary_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read_glossary(_write(tmp_path, text))
    with pytest.raises(UsageError, match="cannot read"):
        read_glossary(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("text", "found"),
    [("Add to Cart!", True), ("two carts", True), ("cartography", False), ("go-cart", True), ("", False)],
)
def test_terms_are_found_as_whole_words(text: str, found: bool) -> None:
    assert bool(terms_in(text, [CART], "es")) == found
    assert terms_in(text, [CART], "fr") == []


@pytest.mark.parametrize(
    ("source", "output", "passed"),
    [
        ("your cart", "su carrito", True),
        ("your carts", "sus carritos", True),
        ("your cart", "su cesta", False),
        ("no term", "nada", True),
        ("The Torvane", "El Torvane", True),
        ("The Torvane", "El Torvano", False),
    ],
)
def test_a_translation_without_the_glossarys_word_fails_its_check(source: str, output: str, passed: bool) -> None:
    check = kept_glossary(source, output, [CART, NAME], "es")
    assert check.passed == passed
    assert (check.detail is None) == passed
