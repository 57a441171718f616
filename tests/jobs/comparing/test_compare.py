"""`textmill compare`: what it finds between two outputs, and what it stays quiet about."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.comparing.compare import compare
from jobs.comparing.comparison import Bounds, Comparison
from pipeline.errors import UsageError
from tests.jobs.outputs import rewrite

Edit = Callable[[dict[str, list[object]]], None]


def _compare(tmp_path: Path, *flags: str) -> tuple[int, str]:
    arguments = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), *flags]
    result = CliRunner().invoke(cli.app, arguments)
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def two_runs(run, write_parquet, tmp_path) -> Callable[..., None]:
    """Two runs of the same rows, with the scripted engine's answers."""

    def make(num_rows: int = 300, **settings: object) -> None:
        file = write_parquet({"id": [f"r{i}" for i in range(num_rows)], "text": [f"text {i}" for i in range(num_rows)]})
        run(file, "a", **settings)
        shutil.copytree(tmp_path / "a", tmp_path / "b")

    return make


def found(tmp_path: Path, **settings: object) -> Comparison:
    return compare(tmp_path / "a", tmp_path / "b", Bounds(), **settings)  # type: ignore[arg-type]


def test_equal_runs_are_equal(two_runs, tmp_path) -> None:
    two_runs()
    one = found(tmp_path)
    assert (one.rows.both, one.rows.only_a, one.rows.only_b, one.differences, one.flips) == (300, 0, 0, [], [])
    assert {shift.psi for shift in one.shifts} == {0.0}
    assert [(c.column, c.changed) for c in one.changed] == [("label", 0)]
    code, out = _compare(tmp_path)
    assert (code, "no figure is beyond its bound" in out) == (0, True)


def test_planted_flips_are_found_and_named_with_their_texts(two_runs, tmp_path) -> None:
    two_runs()

    def plant(columns: dict[str, list[object]]) -> None:
        for i in range(90):
            columns["label"][i] = "positive" if columns["label"][i] != "positive" else "negative"
            columns["uncertainty"][i] = i / 100

    rewrite(tmp_path / "b", plant)
    one = found(tmp_path, show=5)
    assert [(c.column, c.changed, c.rows) for c in one.changed] == [("label", 90, 300)]
    confident = [flip.confidence for flip in one.flips]
    assert confident == sorted(confident, reverse=True)
    assert len(confident) == 5
    assert {flip.texts["text"] for flip in one.flips} <= {f"text {i}" for i in range(90)}
    code, out = _compare(tmp_path)
    assert (code, "label flipped in 30% of 300 rows" in out) == (4, True), out
    assert _compare(tmp_path, "--max-flips", "0.5", "--max-psi", "50")[0] == 0
    assert json.loads(_compare(tmp_path, "--json")[1])["regressed"] is True


def test_a_canary_is_judged_by_the_rows_of_both(run, write_parquet, two_runs, tmp_path) -> None:
    two_runs()
    run(tmp_path / "in" / "rows.parquet", "b", sample=60)
    one = found(tmp_path, canary=True)
    assert (one.rows.both, one.rows.only_a, one.rows.only_b) == (60, 240, 0)
    assert {shift.rows_a for shift in one.shifts} == {60}
    assert one.regressed is False
    assert {shift.rows_a for shift in found(tmp_path).shifts} == {300}
    run(write_parquet({"id": ["other"], "text": ["text"]}), "b")
    with pytest.raises(UsageError, match="no rows in common"):
        found(tmp_path, canary=True)


def test_more_failures_are_a_regression_and_fewer_are_not(two_runs, tmp_path) -> None:
    two_runs()

    def fail(columns: dict[str, list[object]]) -> None:
        for i in range(0, 300, 10):
            columns["status"][i] = "failed"
            for name in ("label", "score", "uncertainty"):
                columns[name][i] = None

    rewrite(tmp_path / "b", fail)
    one = found(tmp_path)
    assert one.findings == ["10.0% of the rows failed, 0.0% before"]
    assert one.changed[0].rows == 270
    worse = compare(tmp_path / "b", tmp_path / "a", Bounds())
    assert worse.findings == []


def test_checks_that_pass_less_often_are_found(run, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": [f"The parcel number {i} came late." for i in range(30)]})
    run(file, "a", task="translate", options={"to": ["es", "de"], "source": "en"})
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    def fail(columns: dict[str, list[object]]) -> None:
        for checks in columns["checks"]:
            for check in checks:  # type: ignore[attr-defined]
                check["passed"] = check["passed"] and check["name"] != "numbers"

    equal = found(tmp_path)
    assert (equal.rows.both, equal.findings) == (60, [])
    assert [shift.column for shift in equal.shifts] == ["translation"]
    before = {rate.what: rate for rate in equal.rates}["check numbers"]
    assert before.failing_a == before.failing_b < 0.9
    rewrite(tmp_path / "b", fail)
    after = {rate.what: rate for rate in found(tmp_path).rates}["check numbers"]
    assert (after.failing_a, after.failing_b) == (before.failing_a, 1)
    assert [line for line in found(tmp_path).findings if "did not pass numbers" in line]


def test_results_of_one_row_are_told_apart(run, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": ["The parcel came late.", "All is well here."]})
    run(file, "a", task="translate", options={"to": ["es", "de"], "source": "en"})
    run(file, "b", task="translate", options={"to": ["fr", "es"], "source": "en"})
    one = found(tmp_path)
    assert (one.rows.both, one.rows.only_a, one.rows.only_b) == (2, 2, 2)


@pytest.fixture
def two_extractions(run, write_parquet, tmp_path) -> Callable[[Callable[[int], object], Callable[[int], object]], None]:
    """Two runs of the same 80 rows that extracted a price, a currency and tags, of which the tags are given."""

    def make(tags_a: Callable[[int], object], tags_b: Callable[[int], object]) -> None:
        schema = tmp_path / "offer.schema.json"
        tags = {"type": "array", "items": {"type": "string"}}
        properties = {"price": {"type": ["number", "null"]}, "tags": tags}
        schema.write_text(json.dumps({"type": "object", "properties": properties, "required": ["price", "tags"]}))
        file = write_parquet({"text": [f"Lamp {i}, {i} euros." for i in range(80)]})
        run(file, "a", task="extract", options={"json_schema": str(schema), "retry": False})
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        for output, tags_of in (("a", tags_a), ("b", tags_b)):
            ok = {"status": ["ok"] * 80, "error": [None] * 80, "price": [float(i) for i in range(80)]}
            listed = [tags_of(i) for i in range(80)]
            rewrite(tmp_path / output, lambda columns, ok=ok, listed=listed: columns.update(ok, tags=listed))

    return make


def test_answers_that_became_null_are_found(two_extractions, tmp_path) -> None:
    two_extractions(lambda i: ["x"], lambda i: ["x"])
    assert found(tmp_path).findings == []
    assert "empty" not in _compare(tmp_path)[1].replace("failed or empty", "")
    rewrite(tmp_path / "b", lambda columns: columns.update(price=[None] * 80))
    assert found(tmp_path).findings == ["100.0% of the results have no price, 0.0% before"]
    assert found(tmp_path, only=["tags"]).findings == []
    assert compare(tmp_path / "b", tmp_path / "a", Bounds()).findings == []


def test_lists_of_other_items_are_found(two_extractions, tmp_path) -> None:
    two_extractions(lambda i: ["a"], lambda i: ["b"])
    one = found(tmp_path)
    assert [(c.column, c.changed, c.rows) for c in one.changed] == [("tags", 80, 80)]
    assert any(line.startswith("tags has shifted") for line in one.findings)
    assert any(line.startswith("tags flipped in 100% of 80 rows") for line in one.findings)


def test_lists_that_are_all_different_are_counted_as_texts_are(two_extractions, tmp_path) -> None:
    two_extractions(lambda i: [f"a{i}"], lambda i: [f"b{i}" if i % 2 else f"a{i}"])
    (tags,) = found(tmp_path).changed
    assert (tags.kind, tags.changed, tags.rows) == ("by length", 40, 80)


def test_the_sets_of_labels_of_a_text_are_compared(run, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": [f"text {i}" for i in range(40)]})
    run(file, "a", task="classify", options={"label": ["late", "dear"], "multi": True})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    rewrite(tmp_path / "a", lambda columns: columns.update(labels=[["late"]] * 40))
    rewrite(tmp_path / "b", lambda columns: columns.update(labels=[["late", "dear"]] * 40))
    assert {c.column: c.changed for c in found(tmp_path).changed} == {"labels": 40, "label": 0}


def test_columns_that_cannot_be_compared_are_named(two_extractions, tmp_path) -> None:
    two_extractions(lambda i: ["a"], lambda i: ["a"])
    (file,) = (tmp_path / "b" / "results").iterdir()
    table = pq.read_table(file)
    texts = pa.array([str(i) for i in range(80)])
    pq.write_table(table.set_column(table.column_names.index("price"), "price", texts), file)
    assert found(tmp_path).skipped == ["price: double in A, string in B"]
    assert "price: double in A, string in B" in _compare(tmp_path)[1]


def test_settings_and_prompts_that_differ_are_named(run, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": ["good", "bad"]})
    run(file, "a")
    run(file, "b", options={"instruction": "Say what you think."}, request_seconds=60.0)
    differences = {d.key: (d.a, d.b) for d in found(tmp_path).differences}
    assert differences["options.instruction"] == (None, "Say what you think.")
    assert differences["request_seconds"] == (3600.0, 60.0)
    assert "Say what you think." in differences["prompt.answer"][1]
    assert not {key for key in differences if key.startswith(("output", "inputs"))}
    assert "Say what you think." in _compare(tmp_path)[1]


def test_what_is_usual_is_allowed(run, write_parquet, tmp_path) -> None:
    """A score that swings from run to run is not a regression when it swings once more."""
    rng = np.random.default_rng(0)
    run(write_parquet({"id": list(range(200)), "text": [f"t {i}" for i in range(200)]}), "first")
    for number, (output, mean) in enumerate({"old": 0.3, "a": -0.2, "b": 0.2}.items()):
        shutil.copytree(tmp_path / "first", tmp_path / output)
        values, ids = rng.normal(mean, 0.2, 200).tolist(), list(range(200 * number, 200 * number + 200))
        rewrite(tmp_path / output, lambda columns, values=values, ids=ids: columns.update(score=values, id=ids))
    assert any("score has shifted" in line for line in found(tmp_path).findings)
    with_usual = found(tmp_path, usual=[tmp_path / "old"])
    score = next(shift for shift in with_usual.shifts if shift.column == "score")
    assert score.usual is not None
    assert score.usual > score.psi > 1
    assert not any("score has shifted" in line for line in with_usual.findings)


def test_what_cannot_be_compared_is_said(run, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": ["good"]})
    run(file, "a")
    with pytest.raises(UsageError, match="is not the output of a complete run"):
        found(tmp_path)
    run(file, "b", task="translate", options={"to": ["es"], "source": "en"})
    with pytest.raises(UsageError, match=r"a run of sentiment, .* one of translate"):
        found(tmp_path)
    run(file, "b")
    with pytest.raises(UsageError, match="no answer column 'lable'"):
        found(tmp_path, only=["lable"])


def test_empty_runs_and_runs_that_failed_altogether_are_compared(run, write_parquet, tmp_path) -> None:
    run(write_parquet({"text": pa.array([], pa.string())}), "a")
    run(write_parquet({"text": pa.array([None, None], pa.string())}), "b")
    assert found(tmp_path).shifts == []
    assert _compare(tmp_path)[0] == 0


def test_a_run_without_results_is_worse_than_one_with_some(run, write_parquet, two_runs, tmp_path) -> None:
    two_runs()
    run(write_parquet({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}), "b")
    assert found(tmp_path).findings == ["there are no results, 300 before"]


def test_hostile_text_reaches_the_terminal_as_characters(run, write_parquet, tmp_path) -> None:
    run(write_parquet({"text": ["[red]\x1b[2J evil", "fine"]}), "a")
    run(tmp_path / "in" / "rows.parquet", "b")
    rewrite(tmp_path / "b", lambda c: c.update(label=["mixed" if v != "mixed" else "neutral" for v in c["label"]]))
    _, out = _compare(tmp_path)
    assert "\x1b" not in out
    assert "[red]\\x1b[2J evil" in out


def test_the_results_are_read_in_the_order_of_their_files(run, write_parquet, tmp_path) -> None:
    files = [write_parquet({"text": [f"{n} {i}" for i in range(3)]}, f"in/{n}.parquet") for n in "xyz"]
    run(files, "a")
    run(files[::-1], "b")
    assert len(pq.read_table(tmp_path / "a" / "results")) == 9
    one = found(tmp_path)
    assert (one.rows.both, one.changed[0].changed) == (9, 0)
