"""The shipped schedules: the job's file is valid, and the crontab and the DAG run just that file.

Airflow cannot be installed beside our lock, so the DAG is imported against a stand-in that takes what Airflow would.
"""

import os
import runpy
import shlex
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobs.settings import merge, read_config_file

SCHEDULES = Path(__file__).parents[2] / "jobs" / "schedules"
RUNS = "textmill run jobs/schedules/hourly.toml"


class Recorded:
    """An Airflow class that keeps what it was made with."""

    made: ClassVar[list["Recorded"]] = []

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        Recorded.made.append(self)

    def __enter__(self) -> "Recorded":
        return self

    def __exit__(self, *_: object) -> None:
        """As Airflow's."""


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    Recorded.made.clear()
    for name, attribute in (("airflow.sdk", "DAG"), ("airflow.providers.standard.operators.bash", "BashOperator")):
        parts = name.split(".")
        for i in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
        setattr(sys.modules[name], attribute, Recorded)
    return Recorded.made


def test_the_job_is_valid() -> None:
    config = merge(read_config_file(SCHEDULES / "hourly.toml"), {}, {})
    assert (config.task, config.output) == ("sentiment", "results/feedback")


def test_the_crontab_runs_the_job_once_an_hour() -> None:
    (line,) = [x for x in (SCHEDULES / "crontab").read_text().splitlines() if x and not x.startswith("#")]
    *when, command = line.split(maxsplit=5)
    assert when == ["7", "*", "*", "*", "*"]
    assert RUNS in command


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (3, 99), (130, 130)])
def test_the_dag_runs_the_job_and_skips_when_too_many_rows_failed(
    code: int, ends: int, airflow: list[Recorded], tmp_path: Path
) -> None:
    runpy.run_path(str(SCHEDULES / "airflow_dag.py"))
    dag, task = airflow
    assert dag.arguments["schedule"] == "7 * * * *"
    assert dag.arguments["max_active_runs"] == 1
    assert RUNS in task.arguments["bash_command"]
    assert task.arguments["skip_on_exit_code"] == 99
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    stand_in = tmp_path / ".venv" / "bin" / "textmill"
    stand_in.write_text(f"#!/bin/sh\nexit {code}\n")
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", "-c", task.arguments["bash_command"]], cwd=tmp_path, env={**os.environ}, check=False
    )
    assert done.returncode == ends
    assert shlex.split(task.arguments["bash_command"])[:3] == [
        ".venv/bin/textmill",
        "run",
        "jobs/schedules/hourly.toml",
    ]
