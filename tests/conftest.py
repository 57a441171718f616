"""Shared fixtures: real Parquet in temporary folders, a home of our own, a plan that runs without an engine."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from jobs.config import JobConfig
from jobs.run import run_job
from jobs.terminal import Terminal
from pipeline.beam_findings import keep_what_beam_finds
from schemas.manifest import Manifest

keep_what_beam_finds()
settings.register_profile("textmill", deadline=None)  # machines are noisy, and a test is not a stopwatch
settings.load_profile("textmill")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the torture tests counted."""
    for report in terminalreporter.getreports("passed"):
        for _, counts in report.user_properties:
            terminalreporter.write_line(str(counts))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A home of its own for each test, so that no test meets another's completions.

    Engine tests keep the models folder of the user, for fetching a model each time would take minutes.
    """
    folder = tmp_path / "home"
    if request.node.get_closest_marker("engine"):
        from pipeline.models import models_folder

        shared = models_folder()
        shared.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        (folder / "models").symlink_to(shared)
    monkeypatch.setenv("TEXTMILL_HOME", str(folder))
    return folder


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write a table as Parquet and return the file."""

    def write(columns: dict[str, Any] | pa.Table, name: str = "in/rows.parquet", **options: Any) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **options)
        return file

    return write


Run = Callable[..., Manifest]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a sentiment job with the scripted engine."""

    def go(inputs: Path | Sequence[Path], output: str = "out", **settings: Any) -> Manifest:
        paths = [inputs] if isinstance(inputs, Path) else inputs
        values = {"task": "sentiment", "engine": "scripted", **settings}
        config = JobConfig(inputs=tuple(map(str, paths)), output=str(tmp_path / output), **values)
        return run_job(config, Terminal(io.StringIO()))

    return go


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., pa.Table]:
    """Read the results, or the dead letters, of a run as one table, as a user would."""

    def read(output: str = "out", kind: str = "results") -> pa.Table:
        return ds.dataset(tmp_path / output / kind).to_table()

    return read


_SLOW_JOB = """
import os, pathlib, time
from pipeline.engines.scripted import ScriptedEngine
before = ScriptedEngine.collect
def collect(self):
    answers = before(self)
    pathlib.Path(os.environ["ANSWERING"]).touch()
    time.sleep(0.05)
    return answers
ScriptedEngine.collect = collect
from jobs.cli import main
main()
"""


@pytest.fixture
def start_slow_job(tmp_path: Path, home: Path) -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Start a sentiment job whose engine takes its time, in a process of its own that can be interrupted or killed."""
    started: list[subprocess.Popen[str]] = []

    def start(inputs: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", _SLOW_JOB, "sentiment", str(inputs), str(tmp_path / "out")]
        answering = tmp_path / "answering"
        environment = {**os.environ, "TEXTMILL_HOME": str(home), "ANSWERING": str(answering)}
        started.append(
            subprocess.Popen(
                [*command, "--engine", "scripted"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
        deadline = time.monotonic() + 60
        while not answering.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
