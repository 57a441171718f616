"""Worker processes: the same output as in one process, whatever becomes of them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import RunError
from schemas.manifest import Manifest

pytestmark = pytest.mark.slow

_SLOW_TASK = """
import os, pathlib, time
from jobs.tasks.sentiment import Sentiment
from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import RunError

_before = ScriptedEngine.collect


def collect(self):
    time.sleep(0.1)
    pathlib.Path(os.environ["ANSWERING"], str(os.getpid())).touch()
    if os.environ.get("FAILING"):
        raise RunError("the licence has run out", "renew it")
    return _before(self)


ScriptedEngine.collect = collect


class TASK(Sentiment):
    name = "slow"
"""
_TEXTS = [f"text {i % 350}" for i in range(498)] + ["", None]


@pytest.fixture
def slow_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A task whose engine takes its time, and leaves the id of each process that answers in a folder."""
    (tmp_path / "slow.py").write_text(_SLOW_TASK)
    (tmp_path / "answering").mkdir()
    monkeypatch.setenv("ANSWERING", str(tmp_path / "answering"))
    monkeypatch.setattr(ScriptedEngine, "collect", ScriptedEngine.collect)  # the file replaces it in this process, too
    return f"{tmp_path / 'slow.py'}:TASK"


def _plain(table: pa.Table) -> list[dict]:
    rows = table.to_pylist()
    for row in rows:
        row.get("meta", {}).pop("run_id", None)
    return rows


def _answering(tmp_path: Path, num: int) -> list[int]:
    """The ids of the processes that answer, once there are so many."""
    deadline = time.monotonic() + 120  # two processes that import Beam, on a machine that may be busy
    while len(found := [int(file.name) for file in (tmp_path / "answering").iterdir()]) < num:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_workers_write_what_one_process_writes(run: Callable[..., Manifest], write_parquet, results, home) -> None:
    file = write_parquet({"key": list(range(500)), "text": _TEXTS}, row_group_size=100)
    alone = run(file, "alone", store=str(home / "one"))
    both = run(file, "both", store=str(home / "other"), workers=2)
    assert _plain(results("both")) == _plain(results("alone"))
    assert _plain(results("both", "dead_letters")) == _plain(results("alone", "dead_letters"))
    assert (both.counts, both.tokens) == (alone.counts, alone.tokens)
    assert [sum(getattr(worker, name) for worker in both.workers) for name in ("rows", "sent", "results")] == [
        500,
        350,
        500,
    ]
    assert all(worker.sent for worker in both.workers)
    assert both.incidents.workers_lost == 0


def test_a_killed_worker_loses_no_row_and_repeats_none(slow_task, run, write_parquet, results, home, tmp_path) -> None:
    file = write_parquet({"text": _TEXTS}, row_group_size=100)
    alone = run(file, "alone", store=str(home / "one"), task=slow_task)
    (tmp_path / "answering" / str(os.getpid())).unlink()

    def kill_one() -> None:
        time.sleep(0.5)
        os.kill(_answering(tmp_path, 2)[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    manifest = run(file, "both", store=str(home / "other"), workers=2, task=slow_task)
    killer.join()
    assert manifest.incidents.workers_lost == 1
    assert len(manifest.workers) == 4
    assert manifest.pace.rows[-1] == alone.pace.rows[-1]
    whole = [{**row, "meta": None} for row in _plain(results("alone"))]
    assert [{**row, "meta": None} for row in _plain(results("both"))] == whole
    assert manifest.counts.ok + manifest.counts.failed == manifest.counts.rows == 500
    assert 350 <= manifest.counts.sent < 700
    assert not any(map(_is_alive, _answering(tmp_path, 4)))


def test_an_error_of_a_worker_is_one_line(slow_task, run, write_parquet, monkeypatch) -> None:
    monkeypatch.setenv("FAILING", "yes")
    file = write_parquet({"text": _TEXTS})
    with pytest.raises(RunError, match="the licence has run out") as caught:
        run(file, workers=2, task=slow_task)
    assert caught.value.hint.startswith("renew it; log: ")


def test_an_interrupted_run_keeps_its_answers_and_leaves_no_process(slow_task, write_parquet, tmp_path, home) -> None:
    file = write_parquet({"text": _TEXTS}, row_group_size=100)
    command = [sys.executable, "-m", "jobs.cli", "run", "--task", slow_task, str(file), str(tmp_path / "out")]
    command += ["--engine", "scripted", "--workers", "2", "--json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        workers = _answering(tmp_path, 2)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert int(said.partition("interrupted: ")[2].split()[0]) > 0, said
    assert not any(map(_is_alive, workers))
    again = Manifest.model_validate_json(subprocess.check_output(command, text=True))
    assert again.counts.reused > 0
    assert again.counts.reused + again.counts.sent == 350


def test_a_killed_driver_leaves_no_worker(slow_task, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": _TEXTS}, row_group_size=100)
    command = [sys.executable, "-m", "jobs.cli", "run", "--task", slow_task, str(file), str(tmp_path / "out")]
    command += ["--engine", "scripted", "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        workers = _answering(tmp_path, 2)
        process.kill()
    deadline = time.monotonic() + 30
    while any(map(_is_alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
