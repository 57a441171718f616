"""What may still be sent: by rows, tokens and minutes."""

import pytest

from pipeline import metrics
from pipeline.budget import NO_BUDGET, Budget, Purse
from pipeline.elements import Asker, Case, Failure, Pending, RowRef
from schemas.envelope import ErrorClass
from schemas.records import TextRecord


def pending(*of: int, has_answers: bool = False) -> Pending:
    """A request of rows that ask so many questions each."""
    case = Case(
        RowRef(0, 0), TextRecord(text="good"), {"first": Failure(ErrorClass.DEADLINE, "")} if has_answers else {}
    )
    return Pending(b"", tuple(Asker(case, "answer", number, False) for number in of))


def test_without_a_budget_everything_may_be_sent() -> None:
    purse = Purse(NO_BUDGET)
    assert not any(purse.refuse(pending(1)) for _ in range(100))


def test_rows_are_counted_by_their_questions_of_the_first_round() -> None:
    purse = Purse(Budget((("rows", 2),)))
    sent = [pending(2), pending(2, has_answers=True), pending(2), pending(1)]
    assert [purse.refuse(one) for one in sent] == [None] * 4
    refusal = purse.refuse(pending(1))
    assert refusal is not None
    assert (refusal.error_class, refusal.message) == (
        ErrorClass.OVER_BUDGET,
        "the run's budget of 2 rows was spent before",
    )


def test_minutes_run_from_the_start_of_the_run() -> None:
    now = 1000.0
    purse = Purse(Budget((("minutes", 1.5),), started=1000.0), lambda: now)
    assert purse.refuse(pending(1)) is None
    now = 1089.9
    assert purse.refuse(pending(1)) is None
    now = 1090.0
    assert purse.refuse(pending(1)) is not None


def test_tokens_are_those_of_prompts_and_answers() -> None:
    metrics.reset_board()
    purse = Purse(Budget((("tokens", 100),)))
    metrics.count(metrics.PROMPT_TOKENS, 60)
    assert purse.refuse(pending(1)) is None
    metrics.count(metrics.OUTPUT_TOKENS, 40)
    assert purse.refuse(pending(1)) is not None


@pytest.fixture(autouse=True)
def clean_board() -> None:
    metrics.reset_board()
