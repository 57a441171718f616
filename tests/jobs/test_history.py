"""`textmill history`: runs by their manifests, and by the records beside the store."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.answer_figures import answer_figures
from jobs.history import history_of, history_of_store
from jobs.run_output import RunOutput
from jobs.tasks.sentiment import LABELS
from pipeline.errors import UsageError
from pipeline.run_history import entry_of, read_history, record, this_host
from schemas.manifest import Manifest


def _history(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["history", *map(str, arguments)])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def days(run, write_parquet, tmp_path) -> Path:
    """Runs of three days in a folder, the last with another recipe; of the second day's two only the later is there."""
    store = str(tmp_path / "store")
    run(write_parquet({"text": [f"text {i}" for i in range(40)] + [None]}), "first", store=str(tmp_path / "elsewhere"))
    for hour, (day, digest) in enumerate((("1", "one"), ("2", "one"), ("2", "one"), ("3", "two"))):
        output = tmp_path / "days" / day / "sentiment"
        shutil.copytree(tmp_path / "first", output, dirs_exist_ok=True)
        manifest = json.loads((output / "manifest.json").read_text())
        manifest |= {"run_id": f"run-{hour}", "recipe_digest": digest, "started": f"2026-11-25T0{hour}:00:00Z"}
        manifest["config"]["output"] = str(output)
        (output / "manifest.json").write_text(json.dumps(manifest))
        found = answer_figures(RunOutput.of(output))
        record(store, entry_of(Manifest.model_validate(manifest), this_host(), found.means, found.shares))
    return tmp_path / "days"


def test_a_folder_shows_the_runs_that_are_there(days, tmp_path) -> None:
    found = history_of(days)
    assert [Path(one.output).parent.name for one in found] == ["1", "2", "3"]
    assert [one.changed for one in found] == [None, None, "recipe"]
    assert {(one.rows, one.ok, one.failed, one.task) for one in found} == {(41, 40, 1, "sentiment")}
    assert sum(found[0].shares["label"].values()) == pytest.approx(1)
    assert set(found[2].shares["label"]) <= set(LABELS)
    assert -1 <= found[0].means["score"] <= 1
    code, out = _history(days)
    assert (code, out.count("sentiment   scripted"), "new recipe" in out) == (0, 3, True), out


def test_the_store_also_knows_those_that_were_replaced(days, tmp_path) -> None:
    store = str(tmp_path / "store")
    found = history_of_store(store)
    assert [Path(one.output).parent.name for one in found] == ["1", "2", "2", "3"]
    assert [one.changed for one in found] == [None, None, None, "recipe"]
    at_hand = {one.run_id: one for one in history_of(days)}
    for one in found:
        if one.run_id in at_hand:
            assert one.model_copy(update={"host": None}) == at_hand[one.run_id]
    assert [one["run_id"] for one in json.loads(_history("--store", store, "--last", "2", "--json")[1])] == [
        one.run_id for one in found[2:]
    ]
    assert _history("--store", store, "--task", "reply") == (0, "no runs yet\n")


def test_another_model_is_marked_as_such(days, tmp_path) -> None:
    record = sorted((tmp_path / "store" / "runs").iterdir())[-1]
    entry = json.loads(record.read_text())
    entry["model"]["digest"], entry["recipe_digest"], entry["run_id"] = "other", "other", "9"
    entry["started"] = "2100-01-01T00:00:00Z"
    (record.parent / "9.json").write_text(json.dumps(entry))
    assert history_of_store(str(tmp_path / "store"))[-1].changed == "model"


def test_what_is_none_of_ours_is_passed_by(days, tmp_path) -> None:
    (days / "app").mkdir()
    (days / "app" / "manifest.json").write_text('{"name": "an app"}')
    (days / ".hidden").mkdir()
    (days / "1" / "sentiment").rename(days / ".hidden" / "sentiment")
    assert [Path(one.output).parent.name for one in history_of(days)] == ["2", "3"]
    with pytest.raises(UsageError, match="is not a folder"):
        history_of(tmp_path / "nothing")
    assert _history(tmp_path / "in") == (0, "no runs yet\n")


def test_a_run_records_the_mean_answers_and_no_texts(run, write_parquet, tmp_path) -> None:
    store = str(tmp_path / "store")
    texts = [f"The parcel number {i} came late." for i in range(50)]
    run(write_parquet({"text": texts}), task="translate", options={"to": ["es"], "source": "en"}, store=store)
    (entry,) = read_history(store)
    assert (entry.means, entry.shares) == ({}, {})
    assert "parcel" not in entry.model_dump_json()
