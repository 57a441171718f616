"""Handover: a customer's words are searched for signs."""

import pytest

from jobs.handover import sign_of


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (["My lawyer", "knows that I will kill myself"], "self_harm"),
        (["BETRUG!"], "fraud"),
        (["I managed to sew it"], None),
        ([], None),
    ],
)
def test_the_gravest_sign_counts_wherever_it_is_said(said: list[str], reason: str | None) -> None:
    assert sign_of(said) == reason
