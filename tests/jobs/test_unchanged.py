"""A run that would change nothing is not run, and one that would is."""

import os
from pathlib import Path

import pytest

from jobs.config import JobConfig
from jobs.status import Standing, look_at
from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import RowError, UsageError
from pipeline.run_folder import RunFolder, read_manifest
from schemas.envelope import ErrorClass
from schemas.manifest import MANIFEST_NAME

LABELS = 'labels = [{name = "late", description = "%s"}, {name = "broken"}]\n'


@pytest.fixture
def file(write_parquet) -> Path:
    return write_parquet({"id": ["a", "b"], "text": ["Great!", None]})


def test_the_same_command_again_does_nothing(run, file: Path, tmp_path: Path) -> None:
    first = run(file, if_changed=True)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    os.utime(file)
    again = run(file, if_changed=True)
    assert (again.run_id, again.counts) == (first.run_id, first.counts)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == [".out.lock"]


def test_what_an_interrupted_run_left_is_removed_though_nothing_is_done(run, file: Path, tmp_path: Path) -> None:
    first = run(file, if_changed=True)
    RunFolder(tmp_path / "out", "20250101T000000-killed").building.mkdir()
    assert look_at(tmp_path / "out").standing is Standing.INTERRUPTED
    assert run(file, if_changed=True).run_id == first.run_id
    assert look_at(tmp_path / "out").standing is Standing.COMPLETE


def test_without_the_flag_it_runs(run, file: Path) -> None:
    first, second = run(file), run(file)
    assert second.run_id != first.run_id
    assert first.digest is None
    assert run(file, if_changed=True).run_id != second.run_id


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"model": "smollm2-135m"},
        {"prompt_form": "bare"},
        {"max_failed": "5%"},
    ],
)
def test_another_setting_is_a_change(run, file: Path, change: dict[str, object]) -> None:
    first = run(file, if_changed=True)
    assert run(file, if_changed=True, **change).run_id != first.run_id


def test_another_input_is_a_change_though_it_has_the_size_and_the_time_of_the_first(run, write_parquet) -> None:
    files = [write_parquet({"text": [text]}, "in.parquet") for text in ("Great!",)]
    first, was = run(files, if_changed=True), files[0].stat()
    write_parquet({"text": ["Awful!"]}, "in.parquet")
    os.utime(files[0], ns=(was.st_atime_ns, was.st_mtime_ns))
    assert files[0].stat().st_size == was.st_size
    assert run(files, if_changed=True).run_id != first.run_id


def test_a_file_that_an_option_names_counts(run, file: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.toml"
    labels.write_text(LABELS % "came late", encoding="utf-8")
    settings = {"task": "classify", "options": {"labels": str(labels)}, "if_changed": True}
    first = run(file, **settings)
    assert run(file, **settings).run_id == first.run_id
    labels.write_text(LABELS % "too late", encoding="utf-8")
    assert run(file, **settings).run_id != first.run_id


def test_results_that_are_not_whole_are_written_anew(run, file: Path, tmp_path: Path) -> None:
    first = run(file, if_changed=True)
    (tmp_path / "out" / first.results[0].path).unlink()
    second = run(file, if_changed=True)
    assert second.run_id != first.run_id
    (tmp_path / "out" / MANIFEST_NAME).write_text("{}", encoding="utf-8")
    assert run(file, if_changed=True).run_id != second.run_id
    assert read_manifest(tmp_path / "out").counts.results == 2


def test_a_row_that_may_come_out_otherwise_is_tried_again(run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ScriptedEngine, "collect", lambda self: [])
        first = run(file, if_changed=True, request_seconds=0.2)
    assert first.counts.failed_by_class == {"null_text": 1, "deadline": 1}
    second = run(file, if_changed=True, request_seconds=0.2)
    assert (second.counts.ok, second.counts.failed_by_class) == (1, {"null_text": 1})
    assert run(file, if_changed=True, request_seconds=0.2).run_id == second.run_id


def test_a_row_that_servers_failed_at_is_tried_again(run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> str:
        raise RowError(ErrorClass.REQUEST_REJECTED, "servers failed 3 times at it")

    with monkeypatch.context() as patched:
        patched.setattr(ScriptedEngine, "_default_script", failing)
        first = run(file, if_changed=True)
    assert first.counts.failed_by_class == {"null_text": 1, "request_rejected": 1}
    assert run(file, if_changed=True).counts.ok == 1


def test_what_stopped_at_its_budget_goes_on(run, write_parquet) -> None:
    rows = write_parquet({"text": ["Great!", "Awful!"]})
    first = run(rows, if_changed=True, budget={"rows": 1})
    assert first.incomplete
    second = run(rows, if_changed=True, budget={"rows": 1})
    assert second.run_id != first.run_id


def test_an_output_elsewhere_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="on this machine's disk"):
        JobConfig(task="sentiment", inputs=(str(file),), output="s3://bucket/out", if_changed=True)


def test_an_input_that_is_gone_is_one_line(run, file: Path) -> None:
    run(file, if_changed=True)
    file.unlink()
    with pytest.raises(UsageError, match="no Parquet files"):
        run(file, if_changed=True)
