"""Pieces join to the text they were cut from, keep their limits, and never cut a span or a grapheme cluster."""

from itertools import pairwise

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text.spans import LINE_BREAK, find_spans
from pipeline.text.splitting import Piece, join_text, split_text

_FRAGMENTS = [
    *(
        "Hello",
        "word",
        "a",
        "é",
        "e\u0301",
        "中文字",
        "مرحبا",
        "नमस्ते",
        "Mr.",
        "z.B.",
        ".",
        "!",
        "。",
        "؟",
        "।",
        ",",
        ";",
        "—",
    ),
    *(" ", "  ", "\u00a0", "\t", "\n", "\r\n", "\r", "\u2028", "\x1c", "\x1f", "- ", "1. ", "## ", "> ", ">", "- [ ] "),
    *("https://x.org/a", "me@x.org", "`a b`", "```\nx\n```", "```", "<b>", "<a\nhref='x'>", "<!-- a\nb -->", "{name}"),
    *("%s", "1,234.5", "👩‍👩‍👧", "🇩🇪", "🇩", "1️⃣", "❤️", "\u200d", "\u0301", "\ufdd0", "\ufdd1"),
]
texts = st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=3), max_size=25).map("".join)
limits = st.integers(1, 40)


def _translated(text: str, max_chars: int) -> list[str]:
    return [piece.text for piece in split_text(text, max_chars) if piece.translate]


def _cuts(text: str, max_chars: int) -> list[int]:
    """Where the pieces meet."""
    ends, end = [], 0
    for piece in split_text(text, max_chars):
        end += len(piece.text)
        ends.append(end)
    return ends[:-1]


@given(text=texts, max_chars=limits)
def test_pieces_join_to_the_text(text: str, max_chars: int) -> None:
    pieces = split_text(text, max_chars)
    assert "".join(piece.text for piece in pieces) == text
    assert join_text(pieces, [piece.text for piece in pieces if piece.translate]) == text
    assert all(piece.text for piece in pieces)


@given(text=texts, max_chars=limits)
def test_pieces_to_translate_are_words_on_one_line(text: str, max_chars: int) -> None:
    for value in _translated(text, max_chars):
        assert value == value.strip()
        assert any(map(str.isalpha, value))
        assert not LINE_BREAK.search(value)


@given(text=texts, max_chars=limits)
def test_only_a_grapheme_cluster_makes_a_piece_too_long(text: str, max_chars: int) -> None:
    for value in _translated(text, max_chars):
        assert len(value) <= max_chars or regex.fullmatch(r"\X\p{M}*", value)


@given(text=texts, max_chars=limits)
def test_spans_are_never_cut(text: str, max_chars: int) -> None:
    cuts = set(_cuts(text, max_chars))
    for span in find_spans(text):
        assert cuts.isdisjoint(range(span.start + 1, span.end))


@given(text=texts, max_chars=limits)
@example(text="Hello\U0001f3fb", max_chars=1)  # the colour of a skin, where there is none
@example(text="字\u200dme@x.org", max_chars=1)
@example(text="a©\u200d👩b", max_chars=1)
def test_grapheme_clusters_are_cut_at_white_space_only(text: str, max_chars: int) -> None:
    borders = {cluster.end() for cluster in regex.finditer(r"\X", text)}
    for cut in _cuts(text, max_chars):
        assert cut in borders or text[cut - 1].isspace() or text[cut].isspace()


@given(text=texts)
def test_a_text_that_fits_is_cut_at_lines_only(text: str) -> None:
    pieces = split_text(text, max(1, len(text)))
    for before, after in pairwise(pieces):
        assert not (before.translate and after.translate)


def _report(text: str, max_chars: int) -> list[str]:
    """Pieces to translate as they are, glue in quotes."""
    return [piece.text if piece.translate else repr(piece.text) for piece in split_text(text, max_chars)]


def test_a_markdown_list() -> None:
    text = "## Setup\n\n- Run `make`\n  * [ ] then 5 tests\n1. Done\n> Quoted — text\n• Last\n- https://x.org\n"
    assert _report(text, 80) == [
        *("'## '", "Setup", r"'\n'", r"'\n'", "'- '", "Run `make`", r"'\n'", "'  * [ ] '", "then 5 tests", r"'\n'"),
        *("'1. '", "Done", r"'\n'", "'> '", "Quoted — text", r"'\n'", "'• '", "Last", r"'\n'", "'- '"),
        *("'https://x.org'", r"'\n'"),
    ]


def test_a_code_block_is_copied() -> None:
    text = "Run this:\n```python\nprint('hello')\n```\nThen stop."
    assert _translated(text, 80) == ["Run this:", "Then stop."]
    assert Piece("```python\nprint('hello')\n```", translate=False) in split_text(text, 80)


def test_an_html_snippet() -> None:
    text = '<div class="a">\n  <p>Hello <b>world</b>, see <a href="/x">this</a>.</p>\n  <!-- no\n words -->\n</div>'
    assert _translated(text, 100) == ['<p>Hello <b>world</b>, see <a href="/x">this</a>.</p>']


def test_an_email_with_a_signature() -> None:
    text = "Hi Ann,\r\n\r\nthe 3 files came.   \r\n> When do you\r\n>> come?\r\n\r\n-- \r\nBob\r\nbob@x.org\r\n+49 30"
    assert _translated(text, 80) == ["Hi Ann,", "the 3 files came.", "When do you", "come?", "Bob"]


def test_a_long_text_is_cut_into_full_pieces_of_whole_sentences() -> None:
    text = " ".join(f"Sentence number {i} was written by Dr. B. Smith, i.e. by a person." for i in range(200))
    pieces = _translated(text, 500)
    assert all(400 < len(piece) <= 500 for piece in pieces[:-1])
    assert all(piece.startswith("Sentence") and piece.endswith("person.") for piece in pieces)


def test_chinese_is_cut_at_its_full_stops() -> None:
    text = "他说：“今天天气很好。”我们去公园吧！你想去吗？好的，没问题。"
    assert _translated(text, 12) == ["他说：“今天天气很好。”", "我们去公园吧！你想去吗？", "好的，没问题。"]


def test_arabic_and_hindi_are_cut_at_their_own_marks() -> None:
    assert _translated("كيف حالك؟ أنا بخير، شكرا. وأنت؟", 16) == ["كيف حالك؟", "أنا بخير، شكرا.", "وأنت؟"]
    assert _translated("मैं ठीक हूँ। आप कैसे हैं?", 15) == ["मैं ठीक हूँ।", "आप कैसे हैं?"]


@pytest.mark.parametrize(
    ("text", "max_chars", "pieces"),
    [
        ("One. Two. Three.", 9, ["One. Two.", "Three."]),
        ("I met Mr. Fox, z.B. at No. 5 on 5. May. Then", 40, ["I met Mr. Fox, z.B. at No. 5 on 5. May.", "Then"]),
        ("He met Dr. Fox again", 12, ["He met Dr.", "Fox again"]),
        ("first part, second part", 14, ["first part,", "second part"]),
        ("it costs 1,234.50 now", 12, ["it costs", "1,234.50 now"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("go to https://x.org/abc now", 10, ["go to", "now"]),
        ("ae\u0301e\u0301", 2, ["a", "e\u0301", "e\u0301"]),
        ("{abcd}{efgh}word", 5, ["word"]),
        ("12 345.67", 2, []),
        ("", 1, []),
    ],
)
def test_where_a_line_is_cut(text: str, max_chars: int, pieces: list[str]) -> None:
    assert _translated(text, max_chars) == pieces


def test_translations_take_the_places_of_their_pieces() -> None:
    pieces = split_text("- One\n- Two: {n}\n", 20)
    assert join_text(pieces, ["Eins", "Zwei: {n}"]) == "- Eins\n- Zwei: {n}\n"
    for translations in (["Eins"], ["Eins", "Zwei", "Drei"]):
        with pytest.raises(ValueError, match=f"2 pieces to translate, but {len(translations)} translations"):
            join_text(pieces, translations)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_chars is 0"):
        split_text("x", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["a", ".", ". ", ".x", "a)", "- ", "> ", ">", " ", "1. ", "\n", "`a` ", "क्", "🇩", "e.g. ", "。", "a\u0301"]
)
@pytest.mark.parametrize("max_chars", [1, 1000])
def test_no_text_takes_more_than_linear_time(unit: str, max_chars: int) -> None:
    """A quadratic search would take minutes on these 100 kB, and the test run with it."""
    text = unit * (100_000 // len(unit)) + "x"
    assert "".join(piece.text for piece in split_text(text, max_chars)) == text
