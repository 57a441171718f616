"""Formats: what a user's file may get wrong, and the room that a brief's own limits leave."""

from pathlib import Path

import pytest

from jobs.formats import find_format, read_formats
from pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "cannot read the formats"),
        ("", "no \\[formats.NAME\\]"),
        ("[formats.slogan]\ntitle = 'a'", "the format slogan"),
    ],
)
def test_a_wrong_file_of_formats_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "formats.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_formats(str(file))


@pytest.mark.parametrize(
    ("min_words", "max_words", "limits"),
    [
        (None, None, (40, 120)),
        (200, None, (200, 300)),
        (None, 30, (15, 30)),
        (0, None, (0, 120)),
        (None, 1, (1, 1)),
        (50, 90, (50, 90)),
    ],
)
def test_one_end_of_the_length_makes_room_at_the_other(
    min_words: int | None, max_words: int | None, limits: tuple[int, int]
) -> None:
    assert read_formats(None)["product_description"].limits(min_words, max_words) == limits


def test_an_unknown_format_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="known are: headline"):
        find_format(read_formats(None), "headlin")
