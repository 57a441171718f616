"""Dead letters run again: what failed may recover, and everything else stays as it was."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.redrive import Redriven, redrive
from jobs.terminal import Terminal
from pipeline.decoding import Choice, Json
from pipeline.elements import Request
from pipeline.errors import RowError, RunError, UsageError
from pipeline.prompts import readable
from schemas.envelope import ErrorClass
from schemas.manifest import Manifest

TOY = f"{Path(__file__).parents[1] / 'toy_task.py'}:TASK"
BRANCHES = ["id", "text", "side", "status"]


class Script:
    """What the engine answers: it refuses prompts that hold one of some words."""

    def __init__(self) -> None:
        self.refused: set[str] = {"ill", "worse"}
        self.asked: list[str] = []
        self.word = "fine"

    def __call__(self, request: Request) -> str:
        prompt = readable(request.segments)
        self.asked.append(prompt)
        if any(word in prompt for word in self.refused):
            raise RowError(ErrorClass.REQUEST_REJECTED, "no", "said before it failed")
        match request.decoding:
            case Choice(labels=labels):
                return labels[0]
            case Json():
                return json.dumps({"word": self.word})
        return "in sum"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr("pipeline.engines.scripted.ScriptedEngine._default_script", lambda _, request: script(request))
    return script


@pytest.fixture
def again(tmp_path: Path) -> Callable[..., Redriven]:
    """Redrive an output."""

    def go(*classes: str, output: str = "out", **settings: Any) -> Redriven:
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        return redrive(tmp_path / output, classes, dotted, Terminal(io.StringIO()))

    return go


def _files(output: Path) -> dict[str, bytes]:
    return {str(f.relative_to(output)): f.read_bytes() for f in sorted(output.rglob("*")) if f.is_file()}


def _check_counts(manifest: Manifest, results: pa.Table, dead: pa.Table) -> None:
    """The manifest says what is in the files, and every failed result is a dead letter of its own place."""
    counts = manifest.counts
    ok = results["status"].to_pylist().count("ok")
    assert (counts.ok, counts.failed, counts.results) == (ok, results.num_rows - ok, results.num_rows)
    assert sum(counts.failed_by_class.values()) == counts.failed == dead.num_rows
    assert (sum(f.rows for f in manifest.results), sum(f.rows for f in manifest.dead_letters)) == (
        results.num_rows,
        dead.num_rows,
    )
    failed = results.filter(pc.equal(results["status"], "failed"))
    assert dead["id"].to_pylist() == failed["id"].to_pylist()
    assert dead["error"].to_pylist() == failed["error"].to_pylist()


def test_failed_rows_recover_in_their_places_and_no_other_row_changes(
    script, run, again, write_parquet, results, tmp_path
) -> None:
    texts = ["good", "ill 1", "better", None, "ill 2", "best", "ill 1"]
    file = write_parquet({"key": list("abcdefg"), "n": range(7), "text": texts})
    first = run(file)
    before = results()
    assert first.counts.failed_by_class == {"null_text": 1, "request_rejected": 3}
    shutil.rmtree(file.parent)
    script.refused.clear()
    script.asked.clear()
    redriven = again()
    after = results()
    assert after.schema == before.schema
    assert after.select(["id", "key", "n", "text"]) == before.select(["id", "key", "n", "text"])
    assert after["status"].to_pylist() == ["ok", "ok", "ok", "failed", "ok", "ok", "ok"]
    kept = pa.array([0, 2, 3, 5])
    assert after.take(kept) == before.take(kept)
    assert len(script.asked) == 2  # two different texts, and none that was answered
    assert {row["meta"]["run_id"] for row in after.to_pylist()} == {
        first.run_id,
        redriven.manifest.redrives[0].run_id,
        None,
    }
    _check_counts(redriven.manifest, after, results(kind="dead_letters"))
    assert Manifest.model_validate_json((tmp_path / "out/manifest.json").read_bytes()) == redriven.manifest
    assert {f.name for f in tmp_path.iterdir()} == {"home", "out", ".out.lock"}
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"results", "dead_letters", "manifest.json", "run.log"}


def test_the_manifest_adds_up_what_both_spent_and_says_what_was_done(script, run, again, write_parquet) -> None:
    first = run(write_parquet({"text": ["good", "ill", "worse"]}))
    script.refused = {"worse"}
    manifest = again("request_rejected", reasoning_tokens="5").manifest
    (told,) = manifest.redrives
    assert (told.classes, told.set) == (["request_rejected"], {"reasoning_tokens": "5"})
    assert (told.redriven, told.recovered) == (2, 1)
    assert (manifest.run_id, manifest.config, manifest.inputs) == (first.run_id, first.config, first.inputs)
    assert (manifest.counts.sent, manifest.counts.unique, manifest.counts.rows) == (5, 5, 3)
    assert manifest.tokens.prompt > first.tokens.prompt > 0
    assert manifest.seconds["total"] > first.seconds["total"]
    assert len(again().manifest.redrives) == 2


def test_what_fails_again_says_how_often_it_was_asked_and_what_was_answered(
    script, run, again, write_parquet, results
) -> None:
    run(write_parquet({"text": ["good", "ill", None]}))
    for attempts in (2, 3):
        again()
        letter, null = results(kind="dead_letters").to_pylist()
        assert (letter["error"]["attempts"], letter["answer"]) == (attempts, "said before it failed")
        assert (null["error"]["class"], null["error"]["attempts"]) == ("null_text", 0)
        assert results()["error"].to_pylist()[1]["attempts"] == attempts


def test_only_the_failed_results_of_a_row_are_replaced(script, run, again, write_parquet, results) -> None:
    script.refused = {"A word for the left."}
    run(write_parquet({"text": ["one", "two"]}), task=TOY)
    before = results()
    assert before["status"].to_pylist() == ["failed", "ok"] * 2
    dead = results(kind="dead_letters").to_pylist()
    assert [letter["place"] for letter in dead] == [{"first": f, "branch": 0, "branches": 2} for f in (0, 2)]
    script.refused = {"two"}
    script.word = "other"
    manifest = again().manifest
    after = results()
    assert after.select(BRANCHES[:3]) == before.select(BRANCHES[:3])
    assert after["said"].to_pylist() == ["other", "fine", None, "fine"]
    assert after.take(pa.array([1, 3])) == before.take(pa.array([1, 3]))
    assert manifest.counts.checks["short"].passed == 3
    _check_counts(manifest, after, results(kind="dead_letters"))


def test_only_the_named_classes_are_run_again(script, run, again, write_parquet, results) -> None:
    run(write_parquet({"text": ["x" * 5000, "ill", "good"]}), context_tokens=2048, on_too_long="fail")
    script.refused.clear()
    manifest = again("prompt_too_long", on_too_long="truncate").manifest
    assert results()["status"].to_pylist() == ["ok", "failed", "ok"]
    assert manifest.counts.failed_by_class == {"request_rejected": 1}
    assert manifest.counts.truncated == 1
    assert results()["meta"].to_pylist()[0]["truncated"]


def test_a_recipe_that_was_changed_shows_in_the_rows_it_made(script, run, again, write_parquet, results) -> None:
    run(write_parquet({"text": ["good", "ill"]}))
    script.refused.clear()
    again(options__instruction="Judge the writer's mood.")
    good, ill = (row["meta"]["recipe"] for row in results().to_pylist())
    assert good != ill
    assert script.asked[-1].count("Judge the writer's mood.")


def test_renamed_columns_are_read_under_their_own_names(script, run, again, write_parquet, results) -> None:
    columns = {"label": ["good", "ill"], "place": [1, 2], "id": [0.5, 1.5], "error": ["e", "f"], "text": ["x", "y"]}
    manifest = run(write_parquet(columns), text="label")
    assert set(manifest.renamed_columns) == {"label", "place", "id", "error"}
    before = results()
    script.refused.clear()
    again()
    inputs = ["id", "input_label", "input_place", "input_id", "input_error", "text"]
    assert results().select(inputs) == before.select(inputs)
    assert results()["status"].to_pylist() == ["ok", "ok"]
    assert "ill" in script.asked[-1]


@pytest.mark.parametrize("ids", [{"id": [7, 8]}, {"ticket_id": ["t7", "t8"]}, {}], ids=str)
def test_ids_stay(ids: dict, script, run, again, write_parquet, results) -> None:
    run(write_parquet({"text": ["good", "ill"], **ids}))
    before = results()
    script.refused.clear()
    again()
    assert results()["id"].to_pylist() == before["id"].to_pylist()
    assert results()["status"].to_pylist() == ["ok", "ok"]


def test_columns_of_all_kinds_survive(script, run, again, write_parquet, results) -> None:
    table = pa.table(
        {
            "text": ["good", "ill", "ill"],
            "view": pa.array(["x", None, "a string that is longer than twelve bytes"], pa.string_view()),
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
            "nested": pa.array([{"a": [{"b": "x"}]}, None, {"a": []}]),
            "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
            "raw": pa.array([b"\x00\xff", None, b""], pa.binary()),
            "nothing": pa.nulls(3),
        }
    )
    run(write_parquet(table))
    before = pq.read_table(write_parquet(table, "same.parquet"))
    for refused in ({"ill"}, set()):
        script.refused = refused
        again()
        assert results().select(before.column_names).equals(before)
    assert results()["status"].to_pylist() == ["ok"] * 3


def test_parts_and_batches_are_put_together_in_order(
    script, run, again, write_parquet, results, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("pipeline.parts._PART_ROWS", 10)
    texts = [f"{'ill' if i % 3 == 0 or 20 <= i < 30 else 'good'} {i}" for i in range(60)]
    texts[40:50] = [f"good {i}" for i in range(40, 50)]
    run(write_parquet({"text": texts}), task=TOY)
    before = results()
    untouched = (tmp_path / "out/results/part-00004.parquet").stat().st_ino
    script.refused = {f"ill {i}\n" for i in range(0, 60, 6)}
    manifest = again().manifest
    after = results()
    assert after["text"].to_pylist() == before["text"].to_pylist() == [text for text in texts for _ in range(2)]
    bad = {f"ill {i}" for i in range(0, 60, 6)}
    assert after["status"].to_pylist() == ["failed" if text in bad else "ok" for text in after["text"].to_pylist()]
    ok = pc.equal(before["status"], "ok")
    assert after.filter(ok) == before.filter(ok)
    assert (tmp_path / "out/results/part-00004.parquet").stat().st_ino == untouched
    _check_counts(manifest, after, results(kind="dead_letters"))
    script.refused.clear()
    manifest = again().manifest
    assert (manifest.counts.ok, manifest.counts.failed) == (120, 0)
    assert results(kind="dead_letters").num_rows == 0
    assert manifest.dead_letters[0].path == "dead_letters/part-00000.parquet"


def test_a_sample_is_redriven_as_it_was_drawn(script, run, again, write_parquet, results) -> None:
    run(write_parquet({"text": [f"ill {i}" for i in range(30)]}), sample=10, limit=4)
    before = results()
    assert before.num_rows == 4
    script.refused.clear()
    again()
    assert results()["text"] == before["text"]
    assert results()["status"].to_pylist() == ["ok"] * 4


def test_with_nothing_to_run_again_nothing_changes(script, run, again, write_parquet, tmp_path) -> None:
    run(write_parquet({"text": ["good", "ill"]}))
    before = _files(tmp_path / "out")
    assert not again("null_text").chosen.letters
    assert _files(tmp_path / "out") == before
    result = CliRunner().invoke(cli.app, ["redrive", str(tmp_path / "out"), "--class", "null_text"])
    assert (result.exit_code, "nothing to do" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modle": "x"}, "unknown key 'modle'"),
        ({"limit": "3"}, "cannot change"),
        ({"model.name": "x"}, "not a table"),
        ({"options.sids": ["left"]}, "unknown option 'sids'"),
        ({"on_too_long": "shorten"}, "on_too_long"),
        ({"keep_reasoning": "true"}, "other columns.*reasoning"),
        ({"options.sides": ["left"]}, "other results.*1 instead of 2"),
        ({"options.sides": ["up", "down"]}, "other results.*up.*instead of.*left"),
        ({"task": "sentiment"}, "a run of toy, not of sentiment"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_asked(
    settings: dict, words: str, script, run, write_parquet, tmp_path
) -> None:
    run(write_parquet({"text": ["good", "ill"]}), task=TOY)
    before, _ = _files(tmp_path / "out"), script.asked.clear()
    with pytest.raises(UsageError, match=words):
        redrive(tmp_path / "out", (), settings, Terminal(io.StringIO()))
    assert not script.asked
    assert _files(tmp_path / "out") == before
    assert not list(tmp_path.glob(".out.*.tmp"))


@pytest.mark.parametrize("there", ["nothing", "a folder", "a manifest of others"])
def test_what_is_no_complete_run_is_one_line(there: str, again, tmp_path) -> None:
    if there != "nothing":
        (tmp_path / "out").mkdir()
    if there == "a manifest of others":
        (tmp_path / "out/manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(UsageError, match="not a manifest" if "manifest" in there else "not the output of a complete"):
        again()
    assert not (tmp_path / ".out.lock").exists()


@pytest.mark.parametrize("where", ["pipeline.merge._merge_dead_letters", "jobs.redrive.count_results"])
def test_what_ends_in_the_middle_leaves_the_run_and_goes_on_from_the_store(
    where: str, script, run, again, write_parquet, results, tmp_path, monkeypatch
) -> None:
    run(write_parquet({"text": ["good", "ill 1", "ill 2"]}))
    before = _files(tmp_path / "out")
    script.refused.clear()

    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(where, broken)
        with pytest.raises(RunError, match=r"cannot complete .*no space"):
            again()
    assert _files(tmp_path / "out") == before
    script.asked.clear()
    assert again().manifest.counts.ok == 3
    assert not script.asked
    assert not list(tmp_path.glob(".out.*.tmp"))


def test_an_engine_that_fails_leaves_the_run(script, run, again, write_parquet, tmp_path, monkeypatch) -> None:
    run(write_parquet({"text": ["good", "ill"]}))
    before = _files(tmp_path / "out")

    def failing(*_: object) -> str:
        raise RunError("the engine is gone")

    monkeypatch.setattr("pipeline.engines.scripted.ScriptedEngine._default_script", failing)
    with pytest.raises(RunError, match="the engine is gone"):
        again()
    assert _files(tmp_path / "out") == before


def test_the_command_shows_what_was_run_again_and_ends_like_a_run(
    script, run, write_parquet, tmp_path, monkeypatch
) -> None:
    run(write_parquet({"text": ["good", "ill 1", "worse", "ill 2"]}), max_failed="3")
    script.refused = {"worse"}
    out = str(tmp_path / "out")
    result = CliRunner().invoke(cli.app, ["redrive", out, "--show", "2", "--set", "options.instruction=Judge."])
    assert result.exit_code == 0, result.output
    assert "ill 1" in result.stdout
    assert "good" not in result.stdout
    assert "3 failed results, of which 2 are ok now" in result.stdout
    assert "4 in, 3 ok, 1 failed" in result.stdout
    result = CliRunner().invoke(cli.app, ["redrive", out, "--json", "--max-failed", "0"])
    assert result.exit_code == 3
    assert json.loads(result.stdout) == json.loads((tmp_path / "out/manifest.json").read_text())
    assert json.loads(result.stdout)["redrives"][-1]["set"] == {"max_failed": "0"}
