"""Pieces: what is in the target language already is copied, where that is certain."""

import pytest

from jobs.pieces import AUTO, aligned, pieces_of, source_of

GERMAN = "Die Lieferung kommt morgen früh, und wir freuen uns sehr darauf."
ENGLISH = "The weather in the mountains was wonderful during the whole summer."
FRENCH = "La réunion de demain matin est reportée à la semaine prochaine, merci de votre patience."


def test_a_language_that_is_given_is_not_found_out() -> None:
    assert (source_of(GERMAN, "fr").language, source_of(GERMAN, "fr").confidence) == ("fr", 1.0)
    assert source_of(GERMAN, AUTO).language == "de"


def test_a_text_in_the_target_language_is_one_piece_that_is_copied() -> None:
    assert [piece.translate for piece in pieces_of(GERMAN, AUTO, "de", 400)] == [False]
    assert [piece.translate for piece in pieces_of(GERMAN, "de", "de", 400)] == [False]
    assert [piece.translate for piece in pieces_of(GERMAN, "en", "de", 400)] == [True]


def test_lines_in_the_target_language_are_copied_unless_a_language_is_given() -> None:
    text = f"{ENGLISH}\n{FRENCH}"
    assert [piece.text for piece in pieces_of(text, AUTO, "fr", 400) if piece.translate] == [ENGLISH]
    assert [piece.text for piece in pieces_of(text, "en", "fr", 400) if piece.translate] == [ENGLISH, FRENCH]


def test_a_text_that_is_mostly_in_the_target_language_has_its_other_lines_translated() -> None:
    text = f"{GERMAN}\n{ENGLISH}\n{GERMAN}"
    assert source_of(text, AUTO).language == "de"
    assert [piece.text for piece in pieces_of(text, AUTO, "de", 400) if piece.translate] == [ENGLISH]
    mostly_english = f"{ENGLISH}\n{ENGLISH}\n{GERMAN}"
    assert [piece.text for piece in pieces_of(mostly_english, AUTO, "de", 400) if piece.translate] == [ENGLISH, ENGLISH]


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("Open\r\nClosed", "Abierto\nCerrado", ["Abierto", "Cerrado"]),
        ("- Open\n- Closed\n", "- Abierto\n\n-  Cerrado", ["Abierto", "Cerrado"]),
        ("1. Open\n`a = 1`\n2. Closed", "1. Abierto\n`a = 1`\n2. Cerrado", ["Abierto", "Cerrado"]),
        ("1. Open\n`a = 1`\n2. Closed", "1. Abierto\n`b = 1`\n2. Cerrado", None),
        ("- Open", "Abierto", None),
        ("Open", "Abierto\nCerrado", None),
        ("Open\nClosed", "Abierto y cerrado", None),
        ("A sentence. " * 5, "Una frase. " * 5, None),
        ("https://example.com", "https://example.com", []),
    ],
)
def test_a_translation_is_taken_apart_where_that_is_certain(text: str, reference: str, expected) -> None:
    assert aligned(pieces_of(text, "en", "es", 40), reference) == expected
