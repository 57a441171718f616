"""Pieces: what is in the target language already is copied, where that is certain."""

from jobs.pieces import AUTO, pieces_of, source_of

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
