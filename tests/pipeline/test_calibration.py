"""Calibrations at work: what they keep, whatever they hold, and whose they are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.tasks.sentiment import LABELS, Sentiment, SentimentOptions
from pipeline.calibration import apply_calibration, calibrate_task, on_curve, prompt_digest, rating_of
from pipeline.recipe import Recipe
from schemas.calibration import Calibration, LabelCalibration, RatingCurve

RECIPE = Recipe(
    task="sentiment",
    task_version=1,
    questions={"answer": {"prompt": "…", "decoding": {}}},
    model="m",
    model_digest="d",
    revision=None,
    engine={},
    context_tokens=512,
)


def calibration(**changes) -> Calibration:
    values = {
        "task": "sentiment",
        "model": "m",
        "model_digest": "d",
        "prompt_digest": prompt_digest(RECIPE.as_dict(), ("answer",)),
        "method": "vector_scaling",
        "fitted": datetime(2026, 1, 1, tzinfo=UTC),
        "run_id": "r",
        "rows": 100,
        "gold": "column x",
        "labels": {label: LabelCalibration(weight=1.0, bias=0.0) for label in LABELS},
        "folds": 5,
        "seed": 0,
    }
    return Calibration.model_validate(values | changes)


_hows = st.tuples(st.floats(0.05, 20), st.floats(-10, 10))
_weights = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda values: sum(values) > 1e-3)


@given(values=_weights, hows=st.lists(_hows, min_size=4, max_size=4))
def test_probabilities_stay_probabilities(values, hows) -> None:
    p = {label: value / sum(values) for label, value in zip(LABELS, values, strict=True)}
    fitted = {
        label: LabelCalibration(weight=weight, bias=bias) for label, (weight, bias) in zip(LABELS, hows, strict=True)
    }
    found = apply_calibration(calibration(labels=fitted), p)
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in found.values())


def test_one_that_changes_nothing_changes_nothing() -> None:
    p = {"positive": 0.5, "neutral": 0.25, "negative": 0.2, "mixed": 0.05}
    assert apply_calibration(calibration(), p) == pytest.approx(p)
    assert apply_calibration(None, p) is p
    assert rating_of(None, 0.5) is None
    assert rating_of(calibration(), 0.5) is None


@given(score=st.floats(-1, 1), other=st.floats(-1, 1))
def test_a_higher_score_is_never_a_lower_rating(score: float, other: float) -> None:
    curve = RatingCurve(low=-4, high=4, scores=[-0.9, -0.1, 0.3, 0.8], ratings=[-3, -3, 0.5, 2])
    low, high = sorted((score, other))
    assert -3 <= on_curve(curve, low) <= on_curve(curve, high) <= 2


def written(folder: Path, **changes) -> str:
    file = folder / "c.json"
    file.write_text(calibration(**changes).model_dump_json())
    return str(file)


def test_the_models_own_is_used_where_it_fits_and_no_word_is_lost_where_not(tmp_path: Path) -> None:
    task = Sentiment(SentimentOptions(), "chat")
    used = calibrate_task(task, RECIPE, written(tmp_path))
    assert used is not None
    assert task.calibration == calibration()
    for misfit in ({"prompt_digest": "other"}, {"task": "classify"}, {"model_digest": "e"}):
        task = Sentiment(SentimentOptions(), "chat")
        assert calibrate_task(task, RECIPE, written(tmp_path, **misfit)) is None
        assert task.calibration is None


def test_none_is_not_even_the_models_own(tmp_path: Path) -> None:
    task = Sentiment(SentimentOptions(calibration="none"), "chat")
    assert calibrate_task(task, RECIPE, written(tmp_path)) is None
