"""A run that stops at its budget: whole, told to be incomplete, and gone on with by the same command."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs import cli
from pipeline.decoding import Choice, Json
from pipeline.elements import Request
from pipeline.errors import UsageError
from pipeline.prompts import readable
from schemas.manifest import Incomplete

TOY = f"{Path(__file__).parents[1] / 'toy_task.py'}:TASK"
WINDOW = 64
"""Of the scripted engine."""


@pytest.fixture
def texts(write_parquet) -> Path:
    return write_parquet(
        {"id": list(range(1000)), "text": [f"text {i % 700}" if i % 10 else None for i in range(1000)]}
    )


def command(*arguments: object) -> tuple[int, str]:
    """The exit code and what is printed."""
    result = CliRunner().invoke(cli.app, [*map(str, arguments)], env={"TEXTMILL_ENGINE": "scripted"})
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.stdout


def answers(results, output: str) -> list[tuple[Any, ...]]:
    return [(r["id"], r["status"], r["label"], r["score"]) for r in results(output).to_pylist()]


def test_runs_that_go_on_end_as_one_that_was_never_stopped(run, texts, results, tmp_path) -> None:
    whole = run(texts, "whole", store=str(tmp_path / "other"))
    each = (whole.tokens.prompt + whole.tokens.output) / whole.counts.sent
    bound, manifests = 200 * each, []
    while not manifests or manifests[-1].incomplete:
        manifests.append(run(texts, budget={"tokens": bound}))
        counts = manifests[-1].counts
        assert counts.rows == counts.ok + counts.failed == 1000
        spent = manifests[-1].tokens.prompt + manifests[-1].tokens.output
        assert spent < bound + (WINDOW + 1) * 1.2 * each
        left = counts.failed_by_class.get("over_budget", 0)
        assert left == (manifests[-1].incomplete.results_left if manifests[-1].incomplete else 0)
    assert 2 < len(manifests) <= 5
    assert sum(manifest.counts.sent for manifest in manifests) == whole.counts.sent
    assert answers(results, "out") == answers(results, "whole")


def test_waves_share_one_budget(run, write_parquet, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.flow._ROWS_IN_WAVE", 50)
    files = [write_parquet({"text": [f"{i} {n}" for n in range(50)]}, f"in/{i}.parquet") for i in range(4)]
    manifest = run(files, budget={"rows": 120})
    assert (manifest.counts.ok, manifest.incomplete) == (
        120,
        Incomplete(reached="rows", results_left=80, requests_left=80),
    )
    assert run(files, budget={"rows": 80}).incomplete is None


def test_what_is_stored_costs_nothing(run, texts) -> None:
    run(texts)
    assert run(texts, budget={"tokens": 1, "minutes": 1e-9, "rows": 1}).incomplete is None


def test_no_engine_starts_for_a_budget_that_is_spent(run, texts, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.engines.scripted.ScriptedSpec.open", lambda spec: pytest.fail("started"))
    manifest = run(texts, budget={"minutes": 1e-9})
    assert manifest.incomplete is not None
    assert (manifest.incomplete.reached, manifest.incomplete.results_left, manifest.counts.ok) == ("minutes", 900, 0)


def test_a_second_try_that_was_refused_leaves_the_run_incomplete(run, write_parquet, monkeypatch) -> None:
    asked: list[str] = []

    def answer(_: object, request: Request) -> str:
        asked.append(readable(request.segments))
        if isinstance(request.decoding, Choice):
            return "glad"
        return json.dumps({"word": "too long a word"}) if isinstance(request.decoding, Json) else "in sum"

    monkeypatch.setattr("pipeline.engines.scripted.ScriptedEngine._default_script", answer)
    file = write_parquet({"text": ["fine"]})
    manifest = run(file, task=TOY, budget={"tokens": 1})
    assert manifest.counts.follow_ups > 0
    assert manifest.incomplete is not None
    assert manifest.incomplete.requests_left == 3, "two second tries and the sum"
    sent = len(asked)
    assert run(file, task=TOY).incomplete is None
    assert len(asked) == len(set(asked)) == sent + 3


def test_exit_codes_status_and_summary(texts, tmp_path) -> None:
    job = ["sentiment", texts, tmp_path / "out"]
    code, said = command(*job, "--budget", "rows=100", "--max-failed", "100")
    assert code == 5
    assert "stopped       at its budget of rows, " in said
    code, said = command("status", tmp_path / "out")
    assert code == 5
    assert said.startswith("incomplete: stopped at its budget of rows, ")
    assert "run the same command again" in said
    assert json.loads(command("status", tmp_path / "out", "--json")[1])["standing"] == "incomplete"
    assert command(*job, "--budget", "rows=100", "--max-failed", "99")[0] == 3
    code, said = command(*job, "--budget", "rows=1000")
    assert (code, "stopped" in said) == (0, False)
    assert command("status", tmp_path / "out")[0] == 0


def test_the_rows_that_are_left_can_be_redriven(texts, tmp_path) -> None:
    out = tmp_path / "out"
    command("sentiment", texts, out, "--budget", "rows=600")
    code, said = command("redrive", out, "--class", "null_text")
    assert (code, "at its budget of rows" in said) == (5, True), "the others are left as they were"
    code, said = command("redrive", out, "--class", "over_budget", "--set", "budget={}")
    assert (code, "stopped" in said) == (0, False)
    assert "1,000 in, 900 ok, 100 failed (100 null_text)" in said


def test_a_config_file_has_a_budget_too(texts, tmp_path) -> None:
    job = tmp_path / "job.toml"
    job.write_text(
        f'task = "sentiment"\ninputs = ["{texts}"]\noutput = "{tmp_path / "out"}"\n[budget]\nrows = 10\ntokens = 1e9\n'
    )
    assert command("run", job)[0] == 5


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"euros": 3}, "'euros' is no bound"),
        ({"rows": 0}, "rows must be more than 0"),
        ({"rows": "many"}, "budget.rows"),
    ],
)
def test_a_budget_that_is_none_is_refused(budget, said, texts, tmp_path) -> None:
    flags = [word for name, value in budget.items() for word in ("--budget", f"{name}={value}")]
    result = CliRunner().invoke(cli.app, ["sentiment", str(texts), str(tmp_path / "out"), *flags])
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
