"""Whole runs evaluated: what is compared, what is written, what becomes of the folder."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluation import EvaluationSettings
from jobs.status import look_at
from schemas.evaluation import EVALUATION_NAME, Evaluation
from tests.jobs.outputs import rewrite
from tests.jobs.test_cli import invoke

TEXTS = [f"Text number {i}." for i in range(120)]


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The labels that the scripted engine gives the texts in every test, once a run has said them."""
    return []


@pytest.fixture
def reviews(said: list[str], run, write_parquet, results) -> pa.Table:
    """A run with ratings that mostly agree with the (made-up) labels; returns its results."""
    if not said:
        run(write_parquet({"id": [str(i) for i in range(120)], "text": TEXTS}), "first")
        said += results("first")["label"].to_pylist()
    mean = {"positive": 2.0, "negative": -2.0, "neutral": 0.1, "mixed": 0.3}
    ratings = [-mean[label] if i % 5 == 0 else mean[label] for i, label in enumerate(said)]
    columns = {
        "id": [str(i) for i in range(120)],
        "text": TEXTS,
        "half": [i % 2 for i in range(120)],
        "human_rating": ratings,
        "human_ratings": [[r - 0.5, r, r + 0.5] for r in ratings],
    }
    run(write_parquet(columns))
    return results()


def read(tmp_path: Path) -> Evaluation:
    return Evaluation.model_validate_json((tmp_path / "out" / EVALUATION_NAME).read_bytes())


def test_ratings_beside_the_results_are_found(reviews: pa.Table, tmp_path: Path) -> None:
    code, out, _ = invoke("evaluate", tmp_path / "out", "--by", "half", "--resamples", "50")
    assert code == 0
    assert "one human" in out
    found = read(tmp_path)
    score, human = reviews["score"].to_numpy(), reviews["human_rating"].to_numpy()
    assert found.headline["pearson_r"].value == pytest.approx(np.corrcoef(score, human)[0, 1])
    assert found.labels.labels == ["positive", "neutral", "negative"]
    assert found.labels.merged == {"mixed": "neutral"}
    assert np.sum(found.labels.confusion) == 120
    polar = sum(abs(r) > 1 for r in human)
    assert found.headline["accuracy"].value == pytest.approx(1 - sum(abs(human[::5]) > 1) / 120)
    assert found.headline["polarity"].rows == polar
    (slices,) = found.slices
    assert [(one.where, one.rows) for one in slices.slices] == [({"half": "0"}, 60), ({"half": "1"}, 60)]
    worst = next(one for one in slices.worst if one.figure == "accuracy")
    assert worst.value == min(one.figures["accuracy"].value for one in slices.slices)
    assert found.human.rows == 120
    assert sum(one.rows for one in found.reliability.bins) == 120


def test_gold_of_a_file_is_joined_by_id_in_any_order(reviews: pa.Table, tmp_path: Path) -> None:
    gold = {"id": [str(i) for i in range(99, -1, -1)], "label": ["neutral"] * 100}
    pq.write_table(pa.table(gold), tmp_path / "gold.parquet")
    code, out, _ = invoke("evaluate", tmp_path / "out", "--gold", tmp_path / "gold.parquet", "--resamples", "0")
    assert code == 0
    assert "20 ok results have no gold" in out
    found = read(tmp_path)
    share = sum(label == "neutral" for label in reviews["label"].to_pylist()[:100]) / 100
    assert found.headline["accuracy"].value == pytest.approx(share)
    assert (found.compared, found.labels.source) == (100, "column label")
    assert "pearson_r" not in found.headline


def test_a_gate_ends_with_4_and_the_evaluation_is_written(reviews: pa.Table, tmp_path: Path) -> None:
    flags = ("--resamples", "0", "--min", "accuracy=0.99", "--max", "ece=0.001", "--min", "polarity=0")
    code, _, err = invoke("evaluate", tmp_path / "out", *flags)
    assert code == 4
    assert "accuracy is" in err
    assert "ece is" in err
    assert "polarity" not in err
    assert read(tmp_path).headline
    assert invoke("evaluate", tmp_path / "out", "--resamples", "0", "--min", "accuracy=0.1")[0] == 0


def test_a_gate_on_a_figure_that_is_not_defined_is_not_kept(reviews: pa.Table, tmp_path: Path) -> None:
    """As the correlation of a score that is the same for all rows."""
    rewrite(tmp_path / "out", lambda columns: columns.update(score=[0.0] * 120))
    code, _, err = invoke("evaluate", tmp_path / "out", "--resamples", "0", "--min", "pearson_r=0.3")
    assert (code, "pearson_r is not defined" in err) == (4, True)
    assert "pearson_r" not in read(tmp_path).headline


WRONG = {
    "--min acuracy=0.5": "no figure 'acuracy'",
    "--min accuracy": "not NAME=VALUE",
    "--min accuracy=high": "not a number",
    "--label human_labels": "no column 'human_labels'",
    "--by hlaf": "did you mean half",
    "--scale 4": "not LOW:HIGH",
    "--scale 0:1": "outside of 0 … 1",
    "--gold absent.parquet": "cannot read the gold",
    "--neutral inf": "not a finite number",
    "--neutral nan": "--neutral",
    "--seed -1": "--seed",
}


def test_wrong_usage_is_one_line_and_writes_nothing(reviews, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1", "1"], "label": ["neutral", "mixed"]}), tmp_path / "twice.parquet")
    for flags, said in {**WRONG, f"--gold {tmp_path / 'twice.parquet'}": "the gold has the same id twice"}.items():
        code, _, err = invoke("evaluate", tmp_path / "out", "--resamples", "0", *flags.split())
        assert (code, said in err) == (2, True), err
    assert not (tmp_path / "out" / EVALUATION_NAME).exists()


def test_a_folder_with_an_evaluation_is_still_textmills(reviews, run, write_parquet, tmp_path: Path) -> None:
    """It can be looked at and run again; the new run's folder has no evaluation of the old results."""
    assert invoke("evaluate", tmp_path / "out", "--resamples", "0")[0] == 0
    assert look_at(tmp_path / "out").standing.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir() if EVALUATION_NAME in path.name) == []
    assert invoke("redrive", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / EVALUATION_NAME).exists(), "nothing was redriven, so nothing has changed"
    run(write_parquet({"text": [*TEXTS[:3], None]}))
    assert not (tmp_path / "out" / EVALUATION_NAME).exists()


def test_what_is_no_run_or_has_no_gold_is_said(run, write_parquet, tmp_path: Path) -> None:
    assert invoke("evaluate", tmp_path / "nothing")[0] == 2
    run(write_parquet({"text": TEXTS[:3]}))
    code, _, err = invoke("evaluate", tmp_path / "out")
    assert code == 2
    assert "no gold to compare with" in err


def test_json_is_the_file(reviews, tmp_path: Path) -> None:
    _, out, _ = invoke("evaluate", tmp_path / "out", "--json", "--resamples", "0")
    assert json.loads(out) == json.loads((tmp_path / "out" / EVALUATION_NAME).read_text())
    assert EvaluationSettings().resampling.resamples == 1000


def test_a_category_that_is_no_label_does_not_stand_in_the_way(run, write_parquet, tmp_path: Path) -> None:
    """The ratings are used; with the labels of the run in it, the column is gold, unless it is switched off."""
    columns = {"text": TEXTS, "human_rating": [i / 30 - 2 for i in range(120)], "category": ["shoes", "hats"] * 60}
    run(write_parquet(columns))
    code, out, _ = invoke("evaluate", tmp_path / "out", "--resamples", "0")
    assert (code, "column category has none of the run's labels" in out) == (0, True)
    assert read(tmp_path).labels.source.startswith("ratings in human_rating")
    code, out, _ = invoke("calibrate", tmp_path / "out", "--to", tmp_path / "c.json")
    assert code == 0
    code, _, err = invoke("evaluate", tmp_path / "out", "--label", "category")
    assert (code, "are none of the run's" in err) == (2, True)
    code, _, err = invoke("evaluate", tmp_path / "out", "--rating", "none")
    assert (code, "no gold to compare with" in err, "column category has none" in err) == (2, True, True)
    run(write_parquet({**columns, "category": ["mixed"] * 120}))
    for flags, source in ((), "column category"), (("--label", "none"), "ratings in human_rating"):
        assert invoke("evaluate", tmp_path / "out", "--resamples", "0", *flags)[0] == 0
        assert read(tmp_path).labels.source.startswith(source)


PASSED_THROUGH = {
    "label": ["mixed", "neutral"] * 10,
    "labels": [["x"]] * 20,
    "score": ["high"] * 20,
    "title": ["The same title"] * 20,
    "reply": [True, False] * 10,
    "translation": ["Text."] * 20,
    "reference": ["Text."] * 20,
    "checks": ["fine"] * 20,
    "aspects": ["fit"] * 20,
    "gold_aspects": ["fit"] * 20,
    "probabilities": [0.5] * 20,
}
JOBS = {
    "sentiment": ({}, {"accuracy", "macro_f1", "macro_recall", "ece", "brier"}),
    "classify": ({"label": ["mixed", "neutral"]}, {"accuracy", "macro_f1", "macro_recall", "ece", "brier"}),
    "translate": ({"to": ["es"], "source": "en", "retry": False}, {"strict_pass_rate"}),
}


@pytest.mark.parametrize("task", JOBS)
def test_columns_of_the_input_are_not_taken_for_answers(task: str, run, write_parquet, tmp_path: Path) -> None:
    options, figures = JOBS[task]
    columns = {name: values for name, values in PASSED_THROUGH.items() if (task, name) != ("translate", "reference")}
    gold = {"gold_label": ["mixed"] * 20, "human_rating": [1.0, -1.0] * 10}
    run(write_parquet({"text": TEXTS[:20], **columns, **gold}), task=task, options=options)
    code, _, err = invoke("evaluate", tmp_path / "out", "--resamples", "0")
    assert code == 0, err
    more = {"pearson_r", "spearman_r", "mae", "polarity"} if task == "sentiment" else set()
    assert set(read(tmp_path).headline) == figures | more


def test_an_extraction_may_have_fields_of_any_name(run, write_parquet, results, tmp_path: Path) -> None:
    names = ("label", "title", "score", "translation", "target_language", "category")
    kinds = {name: {"type": ["string", "null"]} for name in names}
    schema = tmp_path / "odd.schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": kinds, "required": list(names)}))
    options = {"json_schema": str(schema), "retry": False}
    columns = {"id": [str(i) for i in range(20)], "text": TEXTS[:20]}
    run(
        write_parquet({**columns, "gold_title": ["?"] * 20, "human_rating": [0.5] * 20}),
        task="extract",
        options=options,
    )
    assert invoke("evaluate", tmp_path / "out", "--resamples", "0")[0] == 0
    assert [one.field for one in read(tmp_path).fields] == ["title"]
    pq.write_table(results().select(["id", *names]), tmp_path / "gold.parquet")
    flags = ("--gold", tmp_path / "gold.parquet", "--resamples", "0")
    assert invoke("evaluate", tmp_path / "out", *flags)[0] == 0
    found = read(tmp_path)
    assert ([one.field for one in found.fields], found.headline["exact_rows"].value) == (list(names), 1)
    assert set(found.headline) == {"precision", "recall", "f1", "exact_rows", "overlap", "strict_pass_rate"}
    assert found.columns == {}


def test_rows_with_gold_are_counted_where_it_is_columns(run, write_parquet, tmp_path: Path) -> None:
    run(write_parquet({"text": TEXTS[:20], "gold_label": ["mixed", None] * 10}))
    _, out, _ = invoke("evaluate", tmp_path / "out", "--resamples", "0")
    assert "10 of 20 results compared" in out
    assert (read(tmp_path).compared, read(tmp_path).headline["accuracy"].rows) == (10, 10)


def test_gold_without_an_id_is_left_out(reviews: pa.Table, tmp_path: Path) -> None:
    gold = {"id": ["1", None, None], "label": ["neutral", "mixed", "mixed"]}
    pq.write_table(pa.table(gold), tmp_path / "gold.parquet")
    assert invoke("evaluate", tmp_path / "out", "--gold", tmp_path / "gold.parquet", "--resamples", "0")[0] == 0
    assert read(tmp_path).compared == 1


def test_results_that_cannot_be_read_are_one_line(reviews: pa.Table, tmp_path: Path) -> None:
    (file,) = (tmp_path / "out" / "results").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    for spoil in (lambda: None, file.unlink, file.parent.rmdir):
        spoil()
        for command in ("evaluate", "calibrate"):
            code, _, err = invoke(command, tmp_path / "out")
            assert (code, "cannot read the results" in err) == (2, True), err
