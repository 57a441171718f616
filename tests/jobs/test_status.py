"""What `textmill status` says of an output folder, in each state it can be in."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.status import Standing, look_at
from pipeline.errors import RunError, UsageError
from pipeline.run_folder import RunFolder
from schemas.run_state import Phase


def status(output: Path, *flags: str) -> tuple[int, str]:
    """The command's exit code and what it prints."""
    result = CliRunner().invoke(cli.app, ["status", str(output), *flags])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.stdout


def _break(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def failing(*_: object) -> str:
        raise error

    monkeypatch.setattr("pipeline.engines.scripted.ScriptedEngine._default_script", failing)


@pytest.fixture
def many_texts(write_parquet) -> Path:
    return write_parquet({"text": [f"text {i}" for i in range(3000)]})


def test_a_complete_run_says_what_it_was_and_how_to_run_failed_rows_again(run, write_parquet, tmp_path) -> None:
    manifest = run(write_parquet({"text": ["good", "bad", None]}))
    code, out = status(tmp_path / "out")
    assert code == 0
    assert out.startswith("complete: sentiment by scripted, finished ")
    assert f"{manifest.finished.astimezone():%Y-%m-%d %H:%M:%S}" in out
    assert "3 rows: 2 ok, 1 failed (1 null_text)" in out
    assert f"textmill redrive {tmp_path / 'out'}" in out
    run(write_parquet({"text": ["good"]}))
    assert "redrive" not in status(tmp_path / "out")[1]


def test_json_says_the_same(run, write_parquet, tmp_path) -> None:
    manifest = run(write_parquet({"text": ["good", None]}))
    code, out = status(tmp_path / "out", "--json")
    found = json.loads(out)
    assert (code, found["standing"], found["unfinished"]) == (0, "complete", None)
    assert (found["complete"]["run_id"], found["complete"]["ok"], found["complete"]["failed"]) == (
        manifest.run_id,
        1,
        1,
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda out: None, "absent"),
        (lambda out: out.mkdir(), "absent"),
        (lambda out: out.write_text("mine"), "not Textmill's"),
        (lambda out: (out.mkdir(), (out / "notes.txt").write_text("mine")), "not Textmill's"),
        (lambda out: (out.mkdir(), (out / "manifest.json").write_text('{"name": "an app"}')), "not Textmill's"),
    ],
    ids=["nothing", "an empty folder", "a file", "a folder of others", "a manifest of others"],
)
def test_what_is_no_run_is_said_and_left_alone(make, words: str, tmp_path) -> None:
    make(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    code, out = status(tmp_path / "out")
    assert (code, out.startswith(words)) == (2, True), out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_run_at_work_is_running_and_a_killed_one_was_interrupted(many_texts, start_slow_job, run, tmp_path) -> None:
    process = start_slow_job(many_texts)
    deadline = time.monotonic() + 30
    while not (state := look_at(tmp_path / "out").unfinished) or not state.rows_done:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (state.pid, state.task, state.rows, state.state) == (process.pid, "sentiment", 3000, Phase.RUNNING)
    code, out = status(tmp_path / "out")
    assert (code, out.startswith("running: sentiment since ")) == (0, True), out
    assert f"of 3,000 rows answered, process {process.pid} on " in out
    process.kill()
    process.communicate()
    code, out = status(tmp_path / "out")
    assert (code, out.startswith("interrupted: sentiment of ")) == (130, True), out
    assert "of 3,000 rows" in out
    assert "it was killed: the answers are stored, but for the last seconds'; run the same command again" in out
    run(many_texts)
    assert status(tmp_path / "out")[1].startswith("complete")


@pytest.mark.slow
def test_a_run_that_was_interrupted_says_how_far_it_got_beside_the_older_one(
    many_texts, start_slow_job, run, tmp_path
) -> None:
    older = run(many_texts, limit=2)
    process = start_slow_job(many_texts)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    code, out = status(tmp_path / "out")
    assert (code, out.startswith("interrupted: sentiment of ")) == (130, True), out
    assert "\nthe answers are stored; run the same command again" in out
    assert "the folder has an older run, complete: sentiment" in out
    assert "2 rows: 2 ok" in out
    found = look_at(tmp_path / "out")
    assert found.complete is not None
    assert found.unfinished is not None
    assert (found.complete.run_id, found.unfinished.state) == (older.run_id, Phase.INTERRUPTED)
    assert f"interrupted: {found.unfinished.rows_done} of 3000 rows" in err


def test_a_failed_run_says_why_and_where_the_log_is(run, write_parquet, tmp_path, monkeypatch) -> None:
    file = write_parquet({"text": ["good"]})
    with monkeypatch.context() as patch:
        _break(patch, RunError("the engine is gone"))
        with pytest.raises(RunError, match="the engine is gone"):
            run(file)
    code, out = status(tmp_path / "out")
    log = look_at(tmp_path / "out").log
    assert (code, out.splitlines()[0]) == (1, "failed: the engine is gone")
    assert log is not None
    assert str(log) in out
    assert "the engine is gone" in log.read_text()
    assert {f.name for f in log.parent.iterdir()} == {"run.json", "run.log"}
    run(file)
    assert not log.exists()
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"results", "dead_letters", "manifest.json", "run.log"}


def test_bad_usage_leaves_nothing_not_even_of_what_was_interrupted_before_it(
    run, write_parquet, tmp_path, monkeypatch
) -> None:
    file = write_parquet({"text": ["good"]})
    with pytest.raises(UsageError):
        run(file, text="body")
    assert status(tmp_path / "out")[0] == 2
    with monkeypatch.context() as patch:
        _break(patch, RunError("the engine is gone"))
        with pytest.raises(RunError):
            run(file)
    before = look_at(tmp_path / "out")
    with pytest.raises(UsageError):
        run(file, text="body")
    assert look_at(tmp_path / "out") == before
    assert before.standing is Standing.FAILED


def test_looking_keeps_nobody_from_starting(run, write_parquet, tmp_path) -> None:
    folder = RunFolder(tmp_path / "out", "other")
    folder.open()
    assert look_at(tmp_path / "out").standing is Standing.RUNNING
    folder.release()
    assert look_at(tmp_path / "out").standing is Standing.ABSENT
    assert run(write_parquet({"text": ["good"]})).counts.ok == 1


def test_a_folder_that_says_nothing_was_killed(tmp_path) -> None:
    (tmp_path / f".out.{os.getpid()}.tmp").mkdir()
    code, out = status(tmp_path / "out")
    assert (code, out.splitlines()[0]) == (130, "interrupted: a run that did not get to its end")
