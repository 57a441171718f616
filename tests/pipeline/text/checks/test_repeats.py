"""Loops of a stuck model are found, and what people repeat is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text import checks
from pipeline.text.checks import repeats

_PROSE = (
    "The lamp is easy to set up. Its arm turns in every direction, and a small switch on the base sets one of three "
    "levels of light. We tested it in a workshop, a bedroom and a kitchen, and it did well in each of them. "
)


@pytest.mark.parametrize(
    "loop",
    [
        "the lamp " * 6,
        "a" * 30,
        "很好" * 10,
        "I am sorry, I cannot. " * 8,
        "".join(
            f"{i} The lamp is easy to set up.\n" if i % 3 == 0 else "The lamp is easy to set up.\n" for i in range(9)
        ),
        "".join(f"{_PROSE}{i}" for i in range(40)),
    ],
)
def test_loops_are_found_unless_the_source_has_them(loop: str) -> None:
    failed = checks.no_loop("It is good. " + loop)
    assert failed.detail.startswith("the answer repeats itself")
    assert checks.no_loop(loop, loop).passed


@pytest.mark.parametrize(
    "text",
    [
        _PROSE * 3,
        "very, very, very good",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "-" * 80,
        "Signature: " + "_" * 40,
        "Nooooooo!",
        "ha ha ha",
    ],
)
def test_what_people_repeat_is_no_loop(text: str) -> None:
    assert checks.no_loop(text).passed


def test_repeats_are_found_up_to_case_spaces_and_punctuation() -> None:
    assert checks.distinct(["A lamp.", "a  LAMP", "A lamp for you", "😀", "😀", "🎉", "a-lamp!", ""]) == [1, 4, 6]


_short = st.text("ab .好", max_size=9)


@given(before=_short, unit=st.text("ab好 .x", min_size=1, max_size=60), times=st.integers(1, 30), after=_short)
def test_a_short_look_misses_no_run(before: str, unit: str, times: int, after: str) -> None:
    text = before + unit * times + after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_may_run", lambda text: True)
        found = repeats._run(text)
    assert repeats._run(text) == found
