"""A forecast counts just what the run then asks, and says so without touching anything."""

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.config import JobConfig
from jobs.forecasting.forecast import Prices, forecast
from jobs.run import run_job
from jobs.terminal import Terminal

TEXTS = [f"review number {i % 70}" for i in range(100)]


def _config(file: Path, tmp_path: Path, **settings) -> JobConfig:
    values = {"task": "sentiment", "engine": "scripted", "store": str(tmp_path / "store"), **settings}
    return JobConfig(inputs=(str(file),), output=str(tmp_path / "out"), **values)


def _forecast(config: JobConfig, **prices: float):
    return forecast(config, Prices(**prices), lambda message: None)


def _run(config: JobConfig):
    return run_job(config, Terminal(io.StringIO()))


def test_it_counts_what_the_run_then_asks(write_parquet, tmp_path: Path) -> None:
    config = _config(write_parquet({"text": [*TEXTS, None, ""]}), tmp_path)
    found = _forecast(config)
    manifest = _run(config)
    assert (found.rows, found.unique, found.stored, found.sent) == (102, 70, 0, 70)
    assert (manifest.counts.unique, manifest.counts.sent) == (found.unique, found.sent)
    assert found.failing == manifest.counts.failed_by_class == {"null_text": 1, "empty_text": 1}
    assert found.prompt_tokens.value == manifest.tokens.prompt
    assert found.output_tokens.value == manifest.tokens.output


def test_what_is_stored_costs_nothing(write_parquet, tmp_path: Path) -> None:
    _run(_config(write_parquet({"text": TEXTS[:40]}, "first.parquet"), tmp_path))
    found = _forecast(_config(write_parquet({"text": TEXTS}, "second.parquet"), tmp_path))
    assert (found.unique, found.stored, found.sent) == (70, 40, 30)
    assert found.runs == 1
    assert found.seconds.low <= found.seconds.value <= found.seconds.high


def test_nothing_is_written_and_time_is_not_made_up(write_parquet, tmp_path: Path) -> None:
    found = _forecast(_config(write_parquet({"text": TEXTS}), tmp_path), per_hour=2.0)
    assert found.seconds is None
    assert found.cost is None
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "out").exists()


def test_tokens_have_a_price(write_parquet, tmp_path: Path) -> None:
    found = _forecast(_config(write_parquet({"text": TEXTS}), tmp_path), per_1k_tokens=10.0)
    assert found.cost.value == pytest.approx((found.prompt_tokens.value + found.output_tokens.value) / 100)


def test_plan_and_dry_run_say_the_same(write_parquet, tmp_path: Path) -> None:
    file, flags = str(write_parquet({"text": TEXTS})), ["--json"]
    plan = CliRunner().invoke(cli.app, ["plan", file, "--set", "engine=scripted", *flags])
    dry = CliRunner().invoke(
        cli.app, ["sentiment", file, str(tmp_path / "out"), "--engine", "scripted", "--dry-run", *flags]
    )
    said = [json.loads(result.stdout) for result in (plan, dry)]
    for one in said:
        one.pop("memory")
    assert said[0] == said[1]
    assert said[0]["sent"] == 70
    assert not (tmp_path / "out").exists()
