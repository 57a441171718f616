"""The record that a run leaves beside the store, and that the store's upkeep does not mind it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import cli
from pipeline.errors import UsageError
from pipeline.run_history import entry_of, read_history, record, this_host
from schemas.manifest import Manifest


def test_each_run_is_recorded_without_its_texts(run, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": ["a secret that nobody else may read", None]})
    manifests = [run(file, output, store=str(tmp_path / "store")) for output in ("one", "two", "one")]
    entries = read_history(str(tmp_path / "store"))
    assert [entry.run_id for entry in entries] == [manifest.run_id for manifest in manifests]
    assert [(e.counts, e.tokens, e.seconds, e.rates) for e in entries] == [
        (m.counts, m.tokens, m.seconds, m.rates) for m in manifests
    ]
    assert {(e.task, e.model.name, e.engine["name"]) for e in entries} == {("sentiment", "scripted", "scripted")}
    assert [Path(e.output).name for e in entries] == ["one", "two", "one"]
    assert (tmp_path / "store" / entries[0].scope / "recipe.json").exists()
    assert all("secret" not in f.read_text() for f in (tmp_path / "store" / "runs").iterdir())


def test_upkeep_leaves_the_history_alone(run, write_parquet, tmp_path) -> None:
    store = str(tmp_path / "store")
    run(write_parquet({"text": ["good"]}), store=store)
    before = read_history(store)
    later = ["prune", "--older-than", "1h"], ["prune", "--recipe", before[0].scope]
    for command in (["show", "--json"], ["verify", "--remove"], ["compact"], *later):
        result = CliRunner().invoke(cli.app, ["store", *command, "--store", store])
        assert (result.exit_code, "runs" in result.stdout) == (0, False), result.output
        assert read_history(store) == before
    assert run(write_parquet({"text": ["good"]}), store=store).counts.sent == 1


def test_a_record_that_cannot_be_read_or_written_stops_nothing(run, write_parquet, tmp_path, caplog) -> None:
    store = tmp_path / "store"
    manifest: Manifest = run(write_parquet({"text": ["good"]}), store=str(store))
    later = manifest.model_copy(update={"run_id": "later", "started": datetime.now(UTC) + timedelta(days=1)})
    record(str(store), entry_of(later, this_host()))
    (store / "runs" / "half.json").write_text('{"run_id": ')
    newer = json.loads((store / "runs" / "later.json").read_text()) | {"run_id": "newer", "colour": "red"}
    (store / "runs" / "newer.json").write_text(json.dumps(newer))
    assert [entry.run_id for entry in read_history(str(store))] == [manifest.run_id, "later", "newer"]
    assert "half.json" in caplog.text
    (tmp_path / "file").write_text("no folder")
    record(str(tmp_path / "file"), entry_of(manifest, this_host()))
    assert "the run is not in the history" in caplog.text


def test_a_store_that_is_absent_has_no_history_and_an_unknown_place_is_refused(tmp_path) -> None:
    assert read_history(str(tmp_path / "nothing")) == []
    with pytest.raises(UsageError, match="cannot look at the store"):
        read_history("nowhere://bucket/store")


def test_the_host_is_what_decides_the_speed() -> None:
    host = this_host()
    assert host.cores >= 1
    assert host.device
