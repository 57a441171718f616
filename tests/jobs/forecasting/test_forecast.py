"""A forecast held against the run that follows, and what it must not touch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from jobs import cli
from jobs.config import JobConfig
from jobs.forecasting.figures import Forecast, Prices, Range
from jobs.forecasting.forecast import forecast
from pipeline.errors import UsageError
from pipeline.models import home
from pipeline.run_history import read_history, record

TOY = f"{Path(__file__).parents[2] / 'toy_task.py'}:TASK"
NO_PRICES = Prices()


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Forecast]:
    """Forecast a sentiment job with the scripted engine."""

    def go(file: Path, prices: Prices = NO_PRICES, most_rows: int = 50_000, **settings: Any) -> Forecast:
        values = {"task": "sentiment", "engine": "scripted", **settings}
        config = JobConfig(inputs=(str(file),), output=str(tmp_path / "planned"), **values)
        return forecast(config, prices, lambda message: None, most_rows)

    return go


def same(found: Range, tokens: int) -> bool:
    return found.low == found.value == found.high == tokens


TEXTS = st.lists(st.one_of(st.none(), st.sampled_from(["", "good", "x" * 5000]), st.text(max_size=20)), max_size=40)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TEXTS, second=TEXTS)
def test_counts_and_tokens_are_those_of_the_run(first, second, plan, run, write_parquet, tmp_path_factory) -> None:
    store = str(tmp_path_factory.mktemp("store"))
    options = {"store": store, "context_tokens": 3000}
    for texts in (first, second):
        file = write_parquet({"text": [None, *texts]})
        planned = plan(file, **options)
        counts, tokens = (found := run(file, **options)).counts, found.tokens
        assert (planned.rows, planned.unique, planned.stored) == (counts.rows, counts.unique, counts.reused)
        assert planned.failing == counts.failed_by_class
        assert same(planned.sent, counts.sent)
        assert same(planned.prompt_tokens, tokens.prompt)
        assert planned.output_tokens is not None
        assert same(planned.output_tokens, tokens.output)


def test_nothing_is_started_or_written(plan, run, write_parquet, tmp_path, monkeypatch) -> None:
    file = write_parquet({"text": ["good", "bad", "fine"]})
    run(file)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("pipeline.engines.scripted.ScriptedSpec.open", lambda spec: pytest.fail("started"))
    plan(file)
    plan(file, task=TOY)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_later_rounds_are_as_many_as_in_earlier_runs_whatever_was_asked_twice(plan, run, write_parquet) -> None:
    texts = [f"text {n}" for n in range(40)]
    manifest = run(write_parquet({"text": texts * 3}), task=TOY)
    assert manifest.counts.unique == 40 * 3 + manifest.counts.follow_ups
    more = write_parquet({"text": [f"more {n}" for n in range(40)]}, "in/more.parquet")
    planned = plan(more, task=TOY)
    assert planned.unique == 40 * 3
    assert run(more, task=TOY).counts.sent == round(planned.sent.value)
    assert planned.sent.low < planned.sent.value < planned.sent.high
    assert planned.runs == 1


def test_output_of_texts_without_experience_is_bounded_and_time_is_unknown(plan, write_parquet) -> None:
    planned = plan(write_parquet({"text": ["good", "bad"]}), Prices(1, 1), task=TOY)
    assert (planned.output_tokens, planned.seconds, planned.cost, planned.runs) == (None, None, None, 0)
    assert planned.most_output_tokens == (2 * 1 + 4 * 40) * 3, "two choices, four words of at most 40, three rounds"


def test_many_rows_are_sampled_and_duplicates_are_told_from_new_ones(plan, write_parquet) -> None:
    texts = [f"text {n % 4000}" if n % 5 else None for n in range(20_000)]
    planned = plan(write_parquet({"text": texts}), most_rows=2000)
    assert planned.rows == 20_000
    assert 1700 < planned.looked_at < 2300
    assert planned.unique == pytest.approx(3200, rel=1.5 * planned.sampling_error)
    assert 0.05 < planned.sampling_error < 0.15
    assert planned.failing["null_text"] == pytest.approx(4000, rel=0.15)
    assert planned.prompt_tokens.low < planned.prompt_tokens.value < planned.prompt_tokens.high


def test_time_goes_by_computed_tokens_and_only_runs_of_this_machine_count(plan, run, write_parquet) -> None:
    manifest = run(write_parquet({"text": [f"text {n}" for n in range(100)]}))
    (entry,) = read_history(str(home() / "store"))
    seconds = {"total": 30.0, "prepare": 1.0, "pipeline": 28.0, "engine_start": 8.0, "engine": 20.0, "commit": 0.1}
    record(str(home() / "store"), entry.model_copy(update={"seconds": seconds}))
    file = write_parquet({"text": [f"more {n}" for n in range(200)]}, "in/more.parquet")
    planned = plan(file, Prices(per_hour=3600, per_1k_tokens=1))
    assert planned.seconds is not None
    assert planned.cost is not None
    tokens = planned.prompt_tokens.value + 200
    each = 20 / (manifest.tokens.prompt + manifest.tokens.output)
    assert planned.seconds.value == pytest.approx(8 + 2 + 100 * 200e-6 + tokens * each)
    assert planned.cost.value == pytest.approx(planned.seconds.value + tokens / 1000)
    record(str(home() / "store"), entry.model_copy(update={"seconds": seconds, "workers": 4}))
    assert plan(file).seconds is None, "several engines at once are another speed"
    elsewhere = entry.host.model_copy(update={"cores": 1000})
    record(str(home() / "store"), entry.model_copy(update={"host": elsewhere}))
    assert plan(file).seconds is None


def test_warnings(plan, run, write_parquet) -> None:
    texts = ["good " * 600] * 5 + [None] * 5 + [f"text {n}" for n in range(10)]
    file = write_parquet({"text": texts, "tags": [None] * 20})
    planned = plan(file, context_tokens=1200, on_too_long="truncate", budget={"rows": 5})
    assert planned.warnings == [
        "25.0% of the rows have a text that does not fit the context: it is cut",
        "25% of the rows would fail: 5 null_text",
        "the budget of 5 rows ends after about 25% of the work",
    ]
    run(write_parquet({"text": [f"text {n}" for n in range(30)]}, "in/few.parquet"))
    (entry,) = read_history(str(home() / "store"))
    record(str(home() / "store"), entry.model_copy(update={"shares": {"label": {"neutral": 0.97, "mixed": 0.03}}}))
    assert plan(file).warnings[-2:] == [
        "the last run gave 97% of the rows the label 'neutral': see whether that is right",
        "the time rests on 30 requests, which do not fill the engine: it is rather less",
    ]
    empty = plan(write_parquet({"text": ["a"] * 9, "tags": [None] * 8 + [["x"]]}, "in/tags.parquet"), task=TOY)
    assert "the column tags is null in 89% of the rows" in empty.warnings


def command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [*map(str, arguments)], env={"TEXTMILL_ENGINE": "scripted"})
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.stdout


def test_plan_and_dry_run_say_the_same(write_parquet, tmp_path) -> None:
    file = write_parquet({"text": ["good", "bad", "good", None]})
    job = tmp_path / "job.toml"
    job.write_text(f'task = "sentiment"\ninputs = ["{file}"]\noutput = "{tmp_path / "out"}"\n')
    ways = [
        ("plan", file),
        ("plan", "--config", job),
        ("sentiment", file, tmp_path / "out", "--dry-run"),
        ("run", job, "--dry-run"),
    ]
    said = [command(*way) for way in ways]
    assert said == [said[0]] * 4
    assert said[0][0] == 0
    assert "2 unique, 0 in the store\n" in said[0][1]
    assert "not measured yet on this machine" in said[0][1]
    found = json.loads(command("plan", file, "--json")[1])
    assert (found["rows"], found["unique"], found["failing"]) == (4, 2, {"null_text": 1})
    assert not (tmp_path / "out").exists()


def test_plan_takes_options_and_settings_of_the_job(write_parquet) -> None:
    file = write_parquet({"text": ["good day", "bad day"], "body": ["one", "one"]})
    found = json.loads(command("plan", file, "--task", TOY, "--option", 'sides=["left"]', "--json")[1])
    assert found["unique"] == 4
    found = json.loads(command("plan", file, "--set", "columns.text=body", "--set", "limit=1", "--json")[1])
    assert (found["rows"], found["unique"]) == (1, 1)
    result = CliRunner().invoke(cli.app, ["plan", str(file), "--set", "colour=red"])
    assert isinstance(result.exception, UsageError)


def test_measure_runs_a_few_rows_whose_answers_are_kept(write_parquet, tmp_path) -> None:
    file = write_parquet({"text": [f"text {n}" for n in range(300)]})
    code, said = command("plan", file, "--measure")
    assert code == 0
    assert "300 unique, 32 in the store\n" in said
    assert "to the engine 268\n" in said
    assert "by 1 earlier run on this machine" in said
    assert len(read_history(str(home() / "store"))) == 1
    assert command("plan", file, "--measure")[1] == said, "what is known is not measured again"


def test_measure_finds_rows_that_are_not_stored_yet_and_a_small_job_needs_few(run, write_parquet) -> None:
    run(write_parquet({"text": [f"old {n}" for n in range(190)]}, "in/old.parquet"))
    (entry,) = read_history(str(home() / "store"))
    elsewhere = entry.host.model_copy(update={"cores": 1000})
    record(str(home() / "store"), entry.model_copy(update={"host": elsewhere}))
    texts = [f"old {n}" for n in range(190)]
    file = write_parquet({"text": [*texts, *(f"new {n}" for n in range(60))]}, "in/more.parquet")
    stored = write_parquet({"text": texts}, "in/stored.parquet")
    assert "without an engine: all answers are in the store" in command("plan", stored, "--measure")[1]
    assert len(read_history(str(home() / "store"))) == 1, "nothing is run where nothing is asked"
    said = command("plan", file, "--measure")[1]
    assert "by 1 earlier run on this machine" in said
    assert read_history(str(home() / "store"))[-1].counts.sent >= 20


def test_a_job_that_asks_little_is_measured_by_little(write_parquet) -> None:
    file = write_parquet({"text": ["good", "bad", "fine"] * 40})
    assert "not measured yet" in command("plan", file)[1]
    said = command("plan", file, "--measure")[1]
    assert "not measured" not in said
    assert "the time rests on 3 requests" in said
