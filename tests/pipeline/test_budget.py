"""A run stops at its budget with what was in flight, says so, and the same command goes on."""

import pytest

from jobs.status import Standing, look_at
from pipeline import metrics
from pipeline.budget import NO_BUDGET, Budget, Purse
from pipeline.elements import Asker, Case, Pending, RowRef
from pipeline.errors import UsageError
from schemas.records import TextRecord


def _pending(of: int = 1) -> Pending:
    return Pending(b"k" * 16, (Asker(Case(RowRef(0, 0), TextRecord(text="a")), "answer", of, truncated=False),))


def test_rows_are_counted_by_their_first_questions() -> None:
    purse = Purse(Budget((("rows", 2),)))
    assert [purse.refuse(_pending(of=2)) is None for _ in range(6)] == [True] * 4 + [False] * 2


def test_minutes_run_from_the_start_of_the_run() -> None:
    now = [1000.0]
    purse = Purse(Budget((("minutes", 1),), started=1000.0), lambda: now[0])
    assert purse.refuse(_pending()) is None
    now[0] += 60
    assert purse.refuse(_pending()).error_class == "over_budget"


def test_tokens_are_those_that_came_back() -> None:
    metrics.reset_board()
    purse = Purse(Budget((("tokens", 100),)))
    assert purse.refuse(_pending()) is None
    metrics.count(metrics.PROMPT_TOKENS, 99)
    metrics.count(metrics.OUTPUT_TOKENS, 1)
    assert purse.refuse(_pending()) is not None


def test_without_bounds_nothing_is_refused() -> None:
    assert Purse(NO_BUDGET).refuse(_pending()) is None


def test_the_run_is_committed_as_incomplete_and_goes_on(run, write_parquet, results, tmp_path) -> None:
    file = write_parquet({"text": [f"text {i}" for i in range(100)]})
    first = run(file, budget={"rows": 30})
    assert (first.counts.rows, first.counts.ok, first.counts.sent) == (100, 30, 30)
    assert first.counts.failed_by_class == {"over_budget": 70}
    assert (first.incomplete.reached, first.incomplete.results_left) == ("rows", 70)
    status = look_at(tmp_path / "out")
    assert (status.standing, status.standing.exit_code) == (Standing.INCOMPLETE, 5)
    second = run(file)
    assert (second.counts.reused, second.counts.sent, second.counts.ok, second.incomplete) == (30, 70, 100, None)
    assert set(results()["status"].to_pylist()) == {"ok"}


def test_what_was_saved_adds_up(run, write_parquet) -> None:
    texts = [f"text {i % 20:02}" for i in range(60)]
    first = run(write_parquet({"text": texts}))
    each = (first.tokens.prompt + first.tokens.output) // 20
    assert (first.tokens.stored, first.tokens.duplicates) == (0, 40 * each)
    second = run(write_parquet({"text": texts}))
    assert (second.tokens.stored, second.tokens.duplicates, second.tokens.prompt) == (20 * each, 40 * each, 0)


@pytest.mark.parametrize("budget", [{"hours": 1}, {"rows": 0}, {"tokens": -5}])
def test_a_bound_that_is_none_is_refused(run, write_parquet, budget) -> None:
    with pytest.raises((UsageError, ValueError), match=r"bound|more than 0"):
        run(write_parquet({"text": ["a"]}), budget=budget)
