"""A budget of rows, of jobs that ask several things of a row: those that begin are finished."""

import pytest

from schemas.envelope import ErrorClass

_TEXT = "We open from Monday to Friday, and the garden is closed all winter long, says the sign at door {}."
_ASPECTS = {"options": {"aspect_names": ["battery", "price"]}}
_WAYS_BACK = {"task": "translate", "options": {"to": ["de"], "back_translate": True}}
_NOT_ANSWERS = ("id", "meta", "status")


@pytest.mark.parametrize("settings", [{}, _ASPECTS, _WAYS_BACK], ids=["label", "aspects", "ways_back"])
def test_rows_within_the_budget_are_what_they_are_without_one(run, results, write_parquet, tmp_path, settings) -> None:
    file = write_parquet({"text": [_TEXT.format(door) for door in range(6)]})
    whole = run(file, "whole", store=str(tmp_path / "other"), **settings)
    columns = ["id", "status", *(name for name in results("whole").column_names if name not in _NOT_ANSWERS)]
    expected = results("whole").select(columns).to_pylist()

    part = run(file, budget={"rows": 2}, **settings)
    assert (part.counts.ok, part.counts.failed_by_class) == (2, {ErrorClass.OVER_BUDGET: 4})
    assert part.incomplete is not None
    assert (part.incomplete.reached, part.incomplete.results_left) == ("rows", 4)
    answered = [row for row in results().select(columns).to_pylist() if row["status"] == "ok"]
    assert all(row in expected for row in answered)

    rest = run(file, **settings)
    assert rest.incomplete is None
    assert part.counts.sent + rest.counts.sent == whole.counts.sent
    assert results().select(columns).to_pylist() == expected
