"""`textmill store`: what a person sees, and how it ends."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import cli
from pipeline.completions import CompletionFolder
from pipeline.elements import Completion
from pipeline.errors import RunError
from pipeline.recipe import Recipe

RECIPE = Recipe("sentiment", 1, {}, "qwen2.5-0.5b", "d", None, {"name": "vllm", "version": "0.32"}, 4096)


def store(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; returns its exit code, standard output and standard error."""
    result = CliRunner().invoke(cli.app, ["store", *map(str, arguments)])
    if isinstance(result.exception, RunError):
        return result.exception.exit_code, result.stdout, f"{result.exception}\n{result.exception.hint}"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(home: Path) -> CompletionFolder:
    """A folder of the store with three parts: two completions of a year ago, and two of today."""
    folder = CompletionFolder.of(str(home / "store"), RECIPE.scope())
    folder.prepare(RECIPE)
    now = datetime.now(UTC)
    for number, age in enumerate((365, 365, 0, 0)):
        run_id = f"{now - timedelta(days=age):%Y%m%dT%H%M%S}-abc"
        folder.write_part([bytes([number]) * 16], [Completion("fine", None, 1, 0, 1, "stop", run_id)])
    return folder


COMMANDS = ["show", "verify", "compact", "prune --older-than 90d", "prune --recipe sentiment-1"]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_store_is_a_friendly_line(command: str) -> None:
    code, _, err = store(*command.split())
    assert code == 0
    assert "is empty: jobs fill it" in err


def test_show_is_a_line_for_each_recipe(folder: CompletionFolder, home: Path) -> None:
    (home / "store/other-1").mkdir()
    (home / "store/other-1/part-1.parquet").write_bytes(b"not really")
    code, out, _ = store("show")
    assert code == 0
    (line,) = [line.split() for line in out.splitlines() if RECIPE.scope() in line]
    assert line[:7] == [RECIPE.scope(), "sentiment", "qwen2.5-0.5b", "vllm", "0.32", "4", "4"]
    assert line[-1] == f"{datetime.now(UTC):%Y-%m-%d}"
    (other,) = [line for line in out.splitlines() if "other-1" in line]
    assert "(no recipe.json)" in other
    assert "1 (1 damaged)" in other


def test_show_as_json(folder: CompletionFolder) -> None:
    (held,) = json.loads(store("show", "--json")[1])
    assert (held["recipe"], held["completions"], held["parts"]) == (RECIPE.scope(), 4, 4)
    assert store("show", "--json", "--store", "/nowhere")[1] == "[]\n"


def test_verify_ends_with_1_until_what_is_damaged_is_removed(folder: CompletionFolder) -> None:
    assert store("verify")[:2] == (0, "4 parts, 0 damaged\n")
    part = Path(folder.parts()[1])
    part.write_bytes(part.read_bytes()[:-30])
    (leftover := part.with_name(".part-1.parquet.0a1b2c3d.tmp")).write_bytes(b"half")
    code, out, _ = store("verify")
    assert code == 1
    assert f"damaged: {part}: " in out
    assert f"temporary: {leftover}\n" in out
    assert len(folder.parts()) == 4
    assert store("verify", "--remove")[0] == 1
    assert str(part) not in folder.parts()
    assert store("verify")[0] == 0


def test_compact_prints_before_and_after(folder: CompletionFolder) -> None:
    code, out, _ = store("compact")
    assert code == 0
    (line,) = [line.split() for line in out.splitlines() if RECIPE.scope() in line]
    assert line[1:5] == ["4", "1", "4", "4"]
    assert len(folder.parts()) == 1


def test_prune_removes_what_is_old_enough(folder: CompletionFolder) -> None:
    store("compact")
    code, out, _ = store("prune", "--older-than", "9w", "--dry-run")
    assert (code, "would be" in out, len(folder.parts())) == (0, True, 1)
    there = folder.parts()
    assert json.loads(store("show", "--json")[1])[0]["completions"] == 4
    store("prune", "--older-than", "90d", "--recipe", RECIPE.scope())
    assert json.loads(store("show", "--json")[1])[0]["completions"] == 2
    assert folder.parts() != there
    store("prune", "--recipe", RECIPE.scope())
    assert json.loads(store("show", "--json")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prune"], "--older-than, --recipe or both"),
        (["prune", "--older-than", "90"], "12h, 90d, 8w"),
        (["prune", "--older-than", "3y"], "12h, 90d, 8w"),
        (["prune", "--older-than", "999999w"], "too long ago"),
        (["prune", "--recipe", "sentimnt"], f"did you mean {RECIPE.scope()}?"),
        (["show", "--store", "gs://bucket/store"], "cannot look at the store"),
    ],
)
def test_bad_usage_ends_with_2_and_changes_nothing(arguments: list[str], words: str, folder: CompletionFolder) -> None:
    code, _, err = store(*arguments)
    assert (code, words in " ".join(err.replace("│", " ").split())) == (2, True), err
    assert len(folder.parts()) == 4


def test_a_job_goes_on_with_a_compacted_store(write_parquet, run) -> None:
    reviews = write_parquet({"text": [f"review {n}" for n in range(50)]})
    run(reviews)
    run(write_parquet({"text": ["one more"]}, "more.parquet"), "more")
    assert store("compact")[0] == 0
    assert run(reviews, "again").counts.sent == 0
