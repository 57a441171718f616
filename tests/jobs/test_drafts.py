"""Drafts: put in order, counted as they are checked, and chosen."""

import pytest

from jobs.drafts import Draft, Wanted, best_draft, check_distinct, check_draft

WANTED = Wanted(2, 8, "en", ("lamp",), (), ("Lamp",))


def test_hashtags_and_sections_are_put_in_order() -> None:
    draft = Draft(hashtags=["# New Lamp", "#größe!", "#größe", "#"], sections=[" One:\n two ", ""], title=" T ")
    assert (draft.hashtags, draft.sections, draft.title) == (("#NewLamp", "#größe"), ("One: two",), "T")


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (Draft(title="A title", body="A well-known lamp — bright", sections=["One two"]), 4),
        (Draft(title="A title", sections=["One two", "three"]), 3),
        (Draft(title="A title"), 2),
        (Draft(), 0),
        (Draft(body="机のランプ、明るい"), 4),
    ],
)
def test_words_are_counted_once_for_the_column_and_for_the_check(draft: Draft, words: int) -> None:
    assert draft.num_words() == words
    least = Wanted(words + 1, words + 1, "en", (), (), ())
    assert f"has {words} words" in (check_draft(draft, least)[0].detail or "")


def test_the_best_draft_is_no_copy_and_fails_the_fewest_checks() -> None:
    bad, good, other = (Draft(body=body) for body in ("A light", "A bright lamp", "One more lamp"))
    assert best_draft([bad, good], WANTED, []) == good
    assert best_draft([good, bad], WANTED, [good]) == bad
    assert best_draft([bad, good, other], WANTED, [good]) == other
    assert best_draft([good, bad], WANTED, [good, good]) == bad
    assert best_draft([], WANTED, []) is None


def test_a_draft_that_says_the_same_as_an_earlier_one_is_not_distinct() -> None:
    one, other = Draft(body="A lamp!"), Draft(body="a lamp")
    assert check_distinct(one, []).passed
    assert check_distinct(one, [Draft(body="A chair"), Draft(body="a chair")]).passed
    assert not check_distinct(one, [other]).passed
