"""Tasks of a user's own: written, shown, tested and run from the command line."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.jobs.test_cli import invoke


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "my_task.py"
    code, out, _ = invoke("tasks", "new", file)
    assert code == 0
    assert f"run --task {file}:TASK" in out
    return file


def test_the_new_task_keeps_the_contract_and_runs(own: Path, tmp_path: Path, write_parquet) -> None:
    code, out, _ = invoke("tasks", "test", f"{own}:TASK")
    assert (code, out.count("failed")) == (0, 0)
    assert out.count("ok") >= 6
    file = write_parquet({"text": ["The zip broke.", None, "It is late."]})
    flags = ["--engine", "scripted", "--max-words", "3", "--json"]
    code, out, err = invoke("run", "--task", f"{own}:TASK", file, tmp_path / "out", *flags)
    assert code == 0, err
    manifest = json.loads(out)
    assert (manifest["counts"]["ok"], manifest["counts"]["failed"]) == (2, 1)
    assert manifest["config"]["options"] == {"max_words": 3}
    columns = pq.read_schema(tmp_path / "out/results/part-00000.parquet").names
    assert {"complaint", "urgency", "checks"} < set(columns)


def test_a_task_of_ones_own_has_its_own_help_and_runs_from_a_job_file(own: Path, tmp_path: Path, write_parquet) -> None:
    code, out, _ = invoke("run", "--task", own, "--help")
    assert code == 0
    assert "--max-words" in out
    job = tmp_path / "job.toml"
    file = write_parquet({"text": ["a"]})
    job.write_text(f'task = "{own}:TASK"\ninputs = ["{file}"]\noutput = "{tmp_path}/out"\nengine = "scripted"\n')
    assert invoke("run", job)[0] == 0


def test_a_task_that_breaks_the_contract_is_told_so(own: Path) -> None:
    own.write_text(own.read_text().replace("Text(record.text)", "record.text"))
    code, out, _ = invoke("tasks", "test", f"{own}:TASK")
    assert code == 1
    assert "row text is part of a constant" in out


def test_nothing_is_overwritten(own: Path) -> None:
    before = own.read_text()
    code, _, err = invoke("tasks", "new", own)
    assert (code, own.read_text()) == (2, before)
    assert "there already" in err


def test_a_file_that_cannot_be_imported_is_one_line(own: Path, tmp_path: Path, write_parquet) -> None:
    own.write_text("import nothing_of_this_name")
    code, _, err = invoke("run", "--task", own, write_parquet({"text": ["a"]}), tmp_path / "out")
    assert code == 2
    assert "cannot be imported: ModuleNotFoundError" in err
    assert "Traceback" not in err


def test_tasks_are_listed_and_shown() -> None:
    code, out, _ = invoke("tasks", "list")
    assert code == 0
    assert "sentiment" in out
    code, out, _ = invoke("tasks", "show", "sentiment")
    assert code == 0
    assert "Review: I would buy it again at once." in out
    assert "p_positive: double" in out


@pytest.mark.parametrize("name", ["sentences", "briefs", "conversations", "tickets"])
def test_samples_of_our_own_are_sixty_rows(name: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.parquet"
    assert invoke("sample", name, file)[0] == 0
    rows = pq.read_table(file).to_pylist()
    assert len({row["id"] for row in rows}) == 60
