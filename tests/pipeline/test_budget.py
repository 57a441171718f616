"""What may still be sent: by rows, tokens and minutes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import metrics
from pipeline.budget import NO_BUDGET, Budget, Purse, after, part_of
from pipeline.elements import Asker, Case, Pending, RowRef
from schemas.envelope import ErrorClass
from schemas.records import TextRecord


def pending(row: int = 0, question: int = 0) -> Pending:
    """One of three questions of a row."""
    case = Case(RowRef(0, row), TextRecord(text="good"))
    return Pending(bytes([row, question]), (Asker(case, str(question), 3, False),))


def test_without_a_budget_everything_may_be_sent() -> None:
    purse = Purse(NO_BUDGET)
    assert not any(purse.refuse(pending()) for _ in range(100))


@given(order=st.permutations([(row, question) for row in range(5) for question in range(3)]), bound=st.integers(1, 6))
def test_rows_that_begin_may_ask_all_they_have_in_any_order(order: list[tuple[int, int]], bound: int) -> None:
    purse = Purse(Budget((("rows", bound),)))
    sent = [asked for asked in order if purse.refuse(pending(*asked)) is None]
    first = list(dict.fromkeys(row for row, _ in order))[:bound]
    assert sent == [(row, question) for row, question in order if row in first]


def test_a_refusal_says_what_was_spent() -> None:
    purse = Purse(Budget((("rows", 1),)))
    assert purse.refuse(pending(0)) is None
    refusal = purse.refuse(pending(1))
    assert refusal is not None
    assert (refusal.error_class, refusal.message) == (
        ErrorClass.OVER_BUDGET,
        "the run's budget of 1 rows was spent before",
    )


def test_a_refusal_after_a_loss_names_the_budget_of_the_run() -> None:
    refusal = Purse(after(Budget((("rows", 10),)), Counter({metrics.ROWS_BEGUN: 10}))).refuse(pending())
    assert refusal is not None
    assert "budget of 10 rows" in refusal.message


def test_minutes_run_from_the_start_of_the_run() -> None:
    now = 1000.0
    purse = Purse(Budget((("minutes", 1.5),), started=1000.0), lambda: now)
    assert purse.refuse(pending()) is None
    now = 1089.9
    assert purse.refuse(pending()) is None
    now = 1090.0
    assert purse.refuse(pending()) is not None


def test_tokens_are_those_of_prompts_and_answers() -> None:
    metrics.reset_board()
    purse = Purse(Budget((("tokens", 100),)))
    metrics.count(metrics.PROMPT_TOKENS, 60)
    assert purse.refuse(pending()) is None
    metrics.count(metrics.OUTPUT_TOKENS, 40)
    assert purse.refuse(pending()) is not None


@pytest.fixture(autouse=True)
def clean_board() -> None:
    metrics.reset_board()


@given(bound=st.integers(1, 10_000), of=st.integers(1, 9), spent=st.integers(0, 10_000))
def test_shares_of_a_budget_are_the_whole_and_the_rest_is_what_is_not_spent(bound: int, of: int, spent: int) -> None:
    budget = Budget((("minutes", 5.0), ("tokens", bound)), 0.0)
    parts = [dict(part_of(budget, number, of).bounds) for number in range(of)]
    assert sum(part["tokens"] for part in parts) == bound
    assert max(part["tokens"] for part in parts) - min(part["tokens"] for part in parts) <= 1
    assert {part["minutes"] for part in parts} == {5.0}
    rest = part_of(after(budget, Counter({metrics.PROMPT_TOKENS: spent})), 0, 1)
    assert dict(rest.bounds) == {"minutes": 5.0, "tokens": max(0, bound - spent)}
