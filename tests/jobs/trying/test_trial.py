"""`textmill trial`: a grid of models and prompts, each cell a real run on a sample."""

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.config import JobConfig
from jobs.terminal import Terminal
from jobs.trying.trial import AS_IT_IS, Cell, Trial, Variant, ranked, read_variant, try_out
from pipeline.errors import UsageError
from pipeline.run_history import read_history


@pytest.fixture
def rated(write_parquet) -> Path:
    """Texts with ratings."""
    texts = [f"text {i}" for i in range(80)]
    return write_parquet({"text": texts, "human_rating": [i / 20 - 2 for i in range(80)]}, "rated/rows.parquet")


def _trial(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["trial", *map(str, arguments), "--engine", "scripted"])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.stdout


def _prompt(tmp_path: Path, name: str, content: str) -> Path:
    file = tmp_path / f"{name}.toml"
    file.write_text(content)
    return file


def test_each_cell_is_a_run_and_the_best_is_first(rated, tmp_path, monkeypatch) -> None:
    two = _prompt(tmp_path, "two", 'labels = ["positive", "negative"]')
    own = _prompt(tmp_path, "own", 'prompt_form = "bare"\nexamples = [{text = "It broke.", label = "negative"}]')
    flags = ["--sample", 50, "--rating", "human_rating", "--price-per-hour", 3, "--keep", tmp_path / "kept", "--json"]
    code, out = _trial(rated, "--prompt", two, "--prompt", own, *flags)
    cells = [Cell.model_validate(cell) for cell in json.loads(out)]
    assert code == 0
    assert {cell.prompt for cell in cells} == {"two", "own"}
    r = [cell.quality["pearson_r"] for cell in cells]
    assert r == sorted(r, reverse=True)
    for cell in cells:
        assert (cell.rows, cell.failed, cell.error) == (50, 0, None)
        assert cell.output_tokens == 1
        assert cell.seconds is not None
        assert cell.cost == pytest.approx(cell.seconds / 1200)
        manifest = json.loads((Path(str(cell.output)) / "manifest.json").read_text())
        assert manifest["config"]["sample"] == 50
        assert ("examples" in manifest["config"]["options"]) == (cell.prompt == "own")
    monkeypatch.setenv("COLUMNS", "200")
    shown = _trial(rated, "--prompt", two, "--prompt", own, "--rating", "human_rating")[1]
    words = ("pearson_r", "macro_f1", "ece", "rows/s", "tokens in", "all rows", "own", "two")
    assert [word for word in words if word not in shown] == []


def test_a_trial_is_paid_for_once_and_still_knows_the_speed(rated, home) -> None:
    for _ in range(2):
        (cell,) = json.loads(_trial(rated, "--sample", "50", "--rating", "none", "--json")[1])
    entries = read_history(str(home / "store"))
    assert [entry.counts.sent for entry in entries] == [50, 0]
    paid = entries[0]
    expected = paid.seconds["engine_start"] + 80 * max(1e-3, paid.seconds["engine"]) / 50  # it can round to nothing
    assert cell["seconds"] == pytest.approx(expected)
    assert (cell["prompt"], cell["quality"], cell["cost"], cell["output"]) == (AS_IT_IS, {}, None, None)


def test_a_cell_that_fails_says_why_and_the_others_go_on(rated, tmp_path) -> None:
    config = JobConfig(task="sentiment", inputs=(str(rated),), output="trial", engine="scripted", sample=20)
    broken = Variant("broken", {"find_aspects": "open"}, "bare")
    cells = try_out(
        Trial(config, ["any"], [broken, Variant()], tmp_path / "cells"), Terminal(io.StringIO(), quiet=True)
    )
    assert [(cell.prompt, cell.rows, cell.error is None) for cell in cells] == [
        (AS_IT_IS, 20, True),
        ("broken", 0, False),
    ]
    assert "chat form" in str(cells[1].error)


def test_quality_that_cannot_be_told_leaves_the_other_figures(write_parquet) -> None:
    file = write_parquet({"text": ["a", "b"], "gold_label": ["good", "bad"]})
    code, out = _trial(file, "--label", "gold_label", "--json")
    (cell,) = json.loads(out)
    assert (code, cell["rows"], cell["quality"]) == (0, 2, {})
    assert "are none of the run's" in cell["error"]


def test_gold_of_the_input_is_found_by_its_name_and_on_any_scale(write_parquet) -> None:
    columns = {"text": [f"text {i}" for i in range(40)], "human_rating": [1 + i / 10 for i in range(40)]}
    (cell,) = json.loads(_trial(write_parquet(columns), "--scale", "1:5", "--json")[1])
    assert set(cell["quality"]) == {"pearson_r", "macro_f1", "ece"}
    columns = {"text": columns["text"], "score": ["mixed", "neutral"] * 20}
    (cell,) = json.loads(_trial(write_parquet(columns), "--label", "score", "--json")[1])
    assert set(cell["quality"]) == {"macro_f1", "ece"}, "the results call the column input_score"


GOLD = {
    "--gold absent.parquet": "cannot read the gold",
    "--gold gold.parquet --on number": "the input has no column 'number'",
    "--gold gold.parquet --on text": "the gold has no column 'text'",
    "--gold gold.parquet --label lable": "the gold has no column 'lable'",
    "--label lable": "the input has no column 'lable'",
    "--rating stars": "where is neutral",
    "--rating text": "has no numbers",
    "--rating stars --scale 1:4": "outside of 1 … 4",
}


@pytest.mark.parametrize("flags", GOLD)
def test_gold_that_cannot_be_used_is_said_before_anything_is_spent(
    flags: str, write_parquet, home, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_parquet({"text": ["a", "b"], "stars": [1, 5]})
    write_parquet({"id": ["1"], "label": ["mixed"]}, "gold.parquet")
    result = CliRunner().invoke(cli.app, ["trial", str(file), *flags.split(), "--engine", "scripted"])
    assert isinstance(result.exception, UsageError)
    assert GOLD[flags] in result.exception.message
    assert read_history(str(home / "store")) == []


def test_one_figure_decides_and_rows_that_failed_count_as_nothing() -> None:
    cells = [
        Cell(model="other figure", prompt="", rows=9, quality={"macro_f1": 0.9}),
        Cell(model="half failed", prompt="", rows=9, failed=0.5, quality={"pearson_r": 0.8, "macro_f1": 0.9}),
        Cell(model="best", prompt="", rows=9, failed=0.01, quality={"pearson_r": 0.6, "macro_f1": 0.3}),
        Cell(model="wrong way", prompt="", rows=9, quality={"pearson_r": -0.5}),
        Cell(model="wrong way and failed", prompt="", rows=9, failed=0.5, quality={"pearson_r": -0.5}),
        Cell(model="never ran", prompt="", error="no such model"),
    ]
    order = ["best", "half failed", "wrong way", "wrong way and failed", "other figure", "never ran"]
    assert [cell.model for cell in ranked(cells[::-1])] == order


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("lables = []", "unknown option 'lables'"),
        ('labels = ["good", "bad"]', "labels.0"),
        ('prompt_form = "song"', "no prompt form 'song'"),
        ('examples = [{text = "It broke."}]', "examples.0.label is not given"),
        ("= =", "cannot read the config file"),
    ],
)
def test_a_prompt_file_that_does_not_fit_is_named_before_anything_is_spent(content: str, words: str, tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        read_variant(_prompt(tmp_path, "odd", content), "sentiment")
    assert words in caught.value.message
    assert "odd.toml" in caught.value.message


def test_a_rating_that_the_input_lacks_is_said_before_anything_is_spent(rated, home) -> None:
    result = CliRunner().invoke(cli.app, ["trial", str(rated), "--rating", "stars", "--engine", "scripted"])
    assert isinstance(result.exception, UsageError)
    assert read_history(str(home / "store")) == []


def test_any_task_can_be_tried(rated) -> None:
    flags = ["--task", "translate", "--sample", "5", "--json"]
    assert _trial(rated, *flags)[0] == 1  # it needs a language to translate to, and says so
    (cell,) = json.loads(_trial(rated, *flags)[1])
    assert "to" in cell["error"]
