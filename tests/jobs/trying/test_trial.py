"""`textmill trial`: a grid of models and prompts, each cell a real run on a sample."""

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.config import JobConfig
from jobs.terminal import Terminal
from jobs.trying.trial import AS_IT_IS, Cell, Trial, Variant, read_variant, try_out
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


def test_each_cell_is_a_run_and_the_best_is_first(rated, tmp_path) -> None:
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
    shown = _trial(rated, "--prompt", two, "--prompt", own, "--rating", "human_rating")[1]
    assert [
        word for word in ("pearson_r", "polarity", "rows/s", "tokens in", "all rows", "own", "two") if word in shown
    ]


def test_a_trial_is_paid_for_once_and_still_knows_the_speed(rated, home) -> None:
    for _ in range(2):
        (cell,) = json.loads(_trial(rated, "--sample", "50", "--json")[1])
    entries = read_history(str(home / "store"))
    assert [entry.counts.sent for entry in entries] == [50, 0]
    paid = entries[0]
    expected = paid.seconds["engine_start"] + 80 * paid.seconds["engine"] / 50
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
    file = write_parquet({"text": ["a", "b"], "human_rating": [0.5, 1.0]})
    code, out = _trial(file, "--rating", "human_rating", "--json")
    (cell,) = json.loads(out)
    assert (code, cell["rows"], cell["quality"]) == (0, 2, {})
    assert "where is neutral" in cell["error"]


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
