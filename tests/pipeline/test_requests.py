"""Before and after the engine: bad rows become settled failures, long texts are cut and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.tasks.sentiment import Sentiment, SentimentOptions
from pipeline.elements import Row, RowRef
from pipeline.errors import RowError
from pipeline.prompts import BLOCK_TOKENS, Border, Segment, Text, shape_of, texts_of
from pipeline.rendering import Frame
from pipeline.requests import PromptFitter
from pipeline.tokens import BytesTokenizer, encode_all
from pipeline.validation import validate_row
from schemas.envelope import ErrorClass

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def _fit(segments: tuple[Segment, ...], max_tokens: int, truncate: bool) -> tuple[tuple[Segment, ...], bool]:
    frame = Frame(shape_of(segments))
    fitted, cut = PromptFitter(BytesTokenizer()).fit(frame, texts_of(segments), max_tokens, truncate)
    return frame.filled(fitted), cut


@given(text=_texts, room=st.integers(1, 80))
def test_a_prompt_is_cut_just_as_far_as_needed(text: str, room: int) -> None:
    segments = ("constant:", Text(text), "end")
    fitted, cut = _fit(segments, len("constant:end") + room, truncate=True)
    kept = fitted[1].value
    assert text.startswith(kept)
    assert cut == (len(text.encode()) > room)
    assert len(kept.encode()) <= room
    assert not cut or room - len(kept.encode()) < 4  # at most a character is given up
    assert (fitted[0], fitted[2]) == ("constant:", "end")


@given(text=_texts, room=st.integers(0, 80))
def test_without_truncation_a_long_text_fails_and_a_short_one_passes(text: str, room: int) -> None:
    segments, limit = ("constant:", Text(text)), len("constant:") + room
    if len(text.encode()) <= room:
        assert _fit(segments, limit, truncate=False) == (segments, False)
    else:
        with pytest.raises(RowError, match="prompt_too_long"):
            _fit(segments, limit, truncate=False)


@given(text=_texts, room=st.integers(1, 120))
def test_what_fits_still_fits_when_it_is_filled_up_to_its_borders(text: str, room: int) -> None:
    segments = (Border("constant:"), Text(text), Border("a"), "end")
    limit = len("constant:aend") + 2 * (BLOCK_TOKENS - 1) + room
    fitted, _ = _fit(segments, limit, truncate=True)
    assert len(encode_all(BytesTokenizer(), fitted)) <= limit


def test_what_fills_the_block_before_the_text_is_counted_exactly() -> None:
    segments = (Border("constant:"), Text("a" * 99), "end")
    fitted, cut = _fit(segments, 100, truncate=True)
    assert (len(encode_all(BytesTokenizer(), fitted)), cut) == (100, True)


def test_text_that_may_not_be_cut_is_kept_whole() -> None:
    fitted, cut = _fit((Text("policy", may_cut=False), Text("a long message")), 12, truncate=True)
    assert (fitted, cut) == ((Text("policy", may_cut=False), Text("a long")), True)
    with pytest.raises(RowError, match="prompt_too_long"):
        _fit((Text("a policy without end", may_cut=False),), 12, truncate=True)


def test_constants_alone_can_be_too_long() -> None:
    with pytest.raises(RowError, match="prompt_too_long"):
        _fit(("more than five", Text("x")), 5, truncate=True)


@given(segments=st.lists(_texts | _texts.map(Text), max_size=5))
def test_bytes_are_the_scripted_engines_tokens(segments) -> None:
    joined = "".join(s.value if isinstance(s, Text) else s for s in segments)
    assert encode_all(BytesTokenizer(), segments) == list(joined.encode())


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (None, ErrorClass.NULL_TEXT),
        (b"", ErrorClass.EMPTY_TEXT),
        (b" \n\t ", ErrorClass.EMPTY_TEXT),
        (b"\xff\xfe", ErrorClass.INVALID_TEXT),
        (b"cut \xe2\x82", ErrorClass.INVALID_TEXT),
        (7, ErrorClass.INVALID_ROW),
    ],
)
def test_bad_rows_are_refused_with_their_class(value, error_class: ErrorClass) -> None:
    with pytest.raises(RowError) as caught:
        validate_row(Sentiment(SentimentOptions(), "chat"), Row(RowRef(0, 0), {"text": value}))
    assert caught.value.error_class == error_class


@given(text=_texts.filter(lambda t: t.strip()))
def test_any_other_text_is_a_record(text: str) -> None:
    record = validate_row(Sentiment(SentimentOptions(), "chat"), Row(RowRef(0, 0), {"text": text.encode()}))
    assert record.text == text
