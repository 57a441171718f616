"""Calibrations: fitted, held to their prompts, used without a question asked."""

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from jobs.evaluation.fitting import batch_scaling, fit_curve, fit_scaling, folds_of
from pipeline.calibration import apply_calibration, on_curve, read_calibration
from pipeline.errors import UsageError
from schemas.calibration import Calibration
from tests.jobs.test_cli import invoke

RNG = np.random.default_rng(11)
NUM = 150


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def test_vector_scaling_finds_what_was_bent() -> None:
    """Gold drawn from p; what is seen is p bent by weights and biases, up to the last common constant."""
    logs = np.log(RNG.dirichlet((1, 1, 1), size=6000))
    gold = np.array([RNG.choice(3, p=row) for row in np.exp(logs)])
    weights, biases = np.array([2.0, 2.0, 2.0]), np.array([1.0, -1.0, 0.5])
    scaling = fit_scaling(softmax(weights * logs + biases), gold, np.arange(3))
    assert scaling.weights == pytest.approx(1 / weights, abs=0.06)
    expected = -biases / weights
    assert scaling.biases - scaling.biases.mean() == pytest.approx(expected - expected.mean(), abs=0.12)


def test_labels_that_gold_cannot_tell_apart_are_fitted_together() -> None:
    p = RNG.dirichlet((1, 1, 1, 1), size=400)
    gold = RNG.integers(0, 3, 400)
    scaling = fit_scaling(p, gold, np.array([0, 1, 2, 1]))
    assert np.isfinite(scaling.apply(p)).all()
    assert scaling.apply(p).sum(axis=1) == pytest.approx(np.ones(400))


def test_the_bias_of_a_batch_evens_out_what_it_says_on_average() -> None:
    p = softmax(RNG.normal(size=(500, 3)) + np.array([2.0, 0.0, 0.0]))
    before, after = p.mean(axis=0), batch_scaling(p).apply(p).mean(axis=0)
    assert np.ptp(after) < np.ptp(before) / 3


def test_the_curve_never_falls_and_is_read_between_its_knots() -> None:
    scores = RNG.uniform(-1, 1, 500)
    curve = fit_curve(scores, 3 * scores + RNG.normal(size=500), -4, 4)
    read = [on_curve(curve, x) for x in np.linspace(-1.5, 1.5, 50)]
    assert read == sorted(read)
    assert read == pytest.approx(np.interp(np.linspace(-1.5, 1.5, 50), curve.scores, curve.ratings))


def test_rows_of_one_text_fall_into_one_fold() -> None:
    texts = np.array([f"text {i}" for i in RNG.integers(0, 50, 400)])
    folds = folds_of(list(texts), 5, seed=0)
    assert set(folds) == set(range(5))
    assert all(len(set(folds[texts == text])) == 1 for text in texts)


def test_folds_take_no_memory_for_the_longest_text_and_texts_may_be_null() -> None:
    texts = ["long " * 20_000, None, *map(str, range(2000))]
    tracemalloc.start()
    folds = folds_of(texts, 5, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(folds), set(folds)) == (2002, set(range(5)))
    assert peak < 2_000_000


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The labels that the scripted engine gives the texts in every test, once a run has said them."""
    return []


@pytest.fixture
def reviews(said: list[str], run, write_parquet, results) -> dict[str, object]:
    """Rows whose gold is the scripted label in 3 of 5, and ratings to match."""
    texts = [f"Text number {i}." for i in range(NUM)]
    if not said:
        run(write_parquet({"text": texts}), "first")
        said += results("first")["label"].to_pylist()
    gold = [label if i % 5 < 3 else "neutral" for i, label in enumerate(said)]
    number = {"positive": 2.0, "negative": -2.0, "neutral": 0.0, "mixed": 0.0}
    columns = {"text": texts, "gold_label": gold, "human_rating": [number[g] + 0.001 * i for i, g in enumerate(gold)]}
    run(write_parquet(columns))
    return {"file": write_parquet(columns), "gold": gold}


def test_a_calibrated_run_asks_nothing_and_says_so(reviews, run, results, tmp_path: Path) -> None:
    raw = results()
    code, out, _ = invoke("calibrate", tmp_path / "out", "--to", tmp_path / "c.json")
    assert code == 0
    assert "held-out rows" in out
    fitted = read_calibration(str(tmp_path / "c.json"))
    assert fitted.after.ece < fitted.before.ece
    assert (fitted.rows, fitted.folds, set(fitted.labels)) == (NUM, 5, {"positive", "neutral", "negative", "mixed"})

    manifest = run(reviews["file"], options={"calibration": str(tmp_path / "c.json")})
    assert (manifest.counts.sent, manifest.counts.reused, manifest.seconds["engine_start"]) == (0, NUM, 0)
    assert manifest.calibration.rows == NUM
    table = results()
    for before, after in zip(raw.to_pylist(), table.to_pylist(), strict=True):
        p = apply_calibration(fitted, {label: before[f"p_{label}"] for label in fitted.labels})
        assert {label: after[f"p_{label}"] for label in p} == pytest.approx(p)
        assert after["score"] == pytest.approx(p["positive"] - p["negative"])
        assert after["label"] == max(p, key=p.get)
        assert -4 <= after["calibrated_rating"] <= 4
        assert after["meta"]["recipe"] == before["meta"]["recipe"]
    assert set(raw["calibrated_rating"].to_pylist()) == {None}

    assert "figures flatter" in invoke("evaluate", tmp_path / "out", "--resamples", "0")[1].replace("\n", " ")
    code, _, err = invoke("calibrate", tmp_path / "out")
    assert (code, "calibrated already" in err) == (2, True)
    again = run(reviews["file"], options={"calibration": "none"})
    assert again.calibration is None
    assert results().equals(raw)


def test_a_calibration_of_other_prompts_is_refused(reviews, run, tmp_path: Path) -> None:
    invoke("calibrate", tmp_path / "out", "--to", tmp_path / "c.json")
    named = {"calibration": str(tmp_path / "c.json")}
    with pytest.raises(UsageError, match="other prompts or labels"):
        run(reviews["file"], options={**named, "labels": ["positive", "negative"]})
    with pytest.raises(UsageError, match="it is for sentiment, not for classify"):
        run(reviews["file"], task="classify", options={**named, "label": ["a", "b"]})
    run(reviews["file"], options={**named, "aspect_names": ["price"]})
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(UsageError, match="is no calibration"):
        run(reviews["file"], options=named)
    with pytest.raises(UsageError, match="cannot read the calibration"):
        run(reviews["file"], options={"calibration": str(tmp_path / "absent.json")})


def test_a_calibration_survives_its_file(reviews, run, tmp_path: Path) -> None:
    invoke("calibrate", tmp_path / "out", "--to", tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    assert Calibration.model_validate(content | {"fitted": datetime.now(UTC)}).labels
    content["curve"]["ratings"].reverse()
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="is no calibration"):
        run(reviews["file"], options={"calibration": str(tmp_path / "c.json")})


def test_classification_is_calibrated_with_and_without_gold(reviews, run, results, tmp_path: Path) -> None:
    job = {"task": "classify", "options": {"label": ["positive", "neutral", "negative", "mixed"]}}
    run(reviews["file"], **job)
    for flags in ((), ("--batch",)):
        code, _, err = invoke("calibrate", tmp_path / "out", "--to", tmp_path / "c.json", *flags)
        assert code == 0, err
        options = {**job["options"], "calibration": str(tmp_path / "c.json")}
        manifest = run(reviews["file"], "calibrated", task="classify", options=options)
        assert (manifest.counts.sent, manifest.calibration.method == "batch") == (0, bool(flags))
        for row in results("calibrated").to_pylist():
            assert sum(one["probability"] for one in row["probabilities"]) == pytest.approx(1)
    with pytest.raises(UsageError, match="no choice among labels to calibrate"):
        run(reviews["file"], task="classify", options={**options, "multi": True})


def test_too_little_gold_is_too_little(run, write_parquet, tmp_path: Path) -> None:
    run(write_parquet({"text": ["a", "b"], "gold_label": ["neutral", "mixed"]}))
    code, _, err = invoke("calibrate", tmp_path / "out")
    assert (code, "too few" in err) == (2, True)


def test_the_run_of_a_cascade_is_not_calibrated(run, write_parquet, tmp_path: Path) -> None:
    """What would be fitted on the rows of several models is refused."""
    file = write_parquet({"text": [f"Text number {i}." for i in range(60)], "gold_label": ["neutral", "mixed"] * 30})
    run(file, cascade="scripted-small,scripted-large", confidence=0.4)
    for flags in ((), ("--batch",)):
        code, _, err = invoke("calibrate", tmp_path / "out", "--to", tmp_path / "c.json", *flags)
        assert (code, "is a cascade's" in err) == (2, True), err
    assert not (tmp_path / "c.json").exists()


def test_the_run_in_this_folder_is_calibrated_beside_it(reviews, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path / "out")
    code, _, err = invoke("calibrate", ".")
    assert (code, (tmp_path / "out.calibration.json").exists()) == (0, True), err


def test_a_redrive_keeps_the_calibration(run, write_parquet, results, tmp_path: Path) -> None:
    texts = [f"Text number {i}." for i in range(60)]
    run(write_parquet({"text": texts, "gold_label": ["neutral"] * 30 + ["mixed"] * 30}), "fit")
    invoke("calibrate", tmp_path / "fit", "--to", tmp_path / "c.json")
    manifest = run(write_parquet({"text": ["a", None]}), options={"calibration": str(tmp_path / "c.json")})
    assert manifest.counts.failed == 1
    assert invoke("redrive", tmp_path / "out", "--max-failed", "1")[0] == 0
    code, _, err = invoke("redrive", tmp_path / "out", "--set", "options.calibration=none")
    assert (code, "calibration was" in err) == (2, True)
