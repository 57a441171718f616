"""The command line, as a person uses it: what it prints, where, and how it ends."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from jobs import cli
from pipeline.errors import RunError


def invoke(*arguments: str):
    """Run a command in this process; returns its exit code, standard output and standard error."""
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    if isinstance(result.exception, RunError):
        return result.exception.exit_code, result.stdout, f"{result.exception}\n{result.exception.hint}"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def reviews(write_parquet) -> Path:
    return write_parquet({"id": ["a", "b", "c", "d"], "text": ["Good!", "Bad.", "[bold]So-so[/bold]", None]})


def test_a_job_ends_in_a_summary_and_a_table(reviews: Path, tmp_path: Path) -> None:
    code, out, _ = invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted", "--show", "4")
    assert code == 0
    assert "4 in, 3 ok, 1 failed (1 null_text)" in out
    assert "3 unique, 0 reused, 3 sent" in out
    assert "[bold]So-so[/bold]" in out
    assert str(tmp_path / "out/results") in out.replace("\n", "")


def test_options_of_beam_follow_after_two_dashes_and_places_are_refused_in_one_line(reviews: Path, tmp_path) -> None:
    job = ("sentiment", reviews, tmp_path / "out", "--engine", "scripted")
    code, _, _ = invoke(*job, "--beam-option=--s3_region_name=one", "--", "--s3_verify=false")
    config = json.loads((tmp_path / "out/manifest.json").read_text())["config"]
    assert (code, config["beam_options"]) == (0, ["--s3_region_name=one", "--s3_verify=false"])
    code, _, said = invoke(*job, "--runner", "FlinkRuner", "--", "--flink_master", "there:8081")
    assert (code, "FlinkRunner" in said) == (2, True)


def test_aspects_are_shown_in_words(reviews: Path, tmp_path: Path) -> None:
    flags = ("--engine", "scripted", "--show", "4", "--aspect", "battery life in winter", "--aspect", "price")
    _, out, _ = invoke("sentiment", reviews, tmp_path / "out", *flags)
    assert re.search(
        r"aspects: battery life in winter (positive|neutral|negative|mixed|not_mentioned) · price \w+\n", out
    ), out


def test_extracted_columns_are_shown(write_parquet, tmp_path: Path) -> None:
    schema = tmp_path / "order.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"item": {"type": "string"}}}))
    texts = write_parquet({"text": ["one lamp"]})
    _, out, _ = invoke("extract", texts, tmp_path / "out", "--engine", "scripted", "--show", "1", "--schema", schema)
    assert re.search(r"\bitem\b.*pmal eno", out, re.DOTALL), out


def test_texts_cannot_steer_the_terminal(write_parquet, tmp_path: Path) -> None:
    reviews = write_parquet({"text": ["\x1b[31mred\x1b[0m \x1b]0;title\x07 [bold]"]})
    _, out, _ = invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted", "--show", "1")
    assert "\x1b" not in out
    assert "\\x1b[31mred" in out


@pytest.mark.parametrize(("text", "words"), [("text", "good"), ("note", "\ufffd")])
def test_rows_are_shown_whatever_is_in_their_columns(write_parquet, tmp_path: Path, text: str, words: str) -> None:
    blob = pa.array([b"\xff"] * 2)
    odd = {
        "note": pa.Array.from_buffers(pa.string(), 2, blob.buffers()),
        "moment": pa.array([1, 2], pa.timestamp("ns")),
        "day": pa.array([4_000_000] * 2, pa.int32()).cast(pa.date32()),
    }
    rows = write_parquet({"text": ["good", None], **odd})
    code, out, _ = invoke("sentiment", rows, tmp_path / "out", "--engine", "scripted", "--text", text, "--show", "2")
    assert (code, words in out) == (0, True)
    code, out, _ = invoke("redrive", tmp_path / "out", "--show", "2")
    assert (code, "redriven" in out) == (0, True)


def test_a_place_that_cannot_be_written_is_named(reviews: Path) -> None:
    code, _, err = invoke("sentiment", reviews, "/proc/nowhere/out", "--engine", "scripted")
    assert (code, "cannot write to /proc/nowhere/out" in err) == (2, True), err


def test_json_is_the_manifest_and_nothing_else(reviews: Path, tmp_path: Path) -> None:
    _, out, _ = invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted", "--json")
    assert json.loads(out) == json.loads((tmp_path / "out/manifest.json").read_text())
    assert json.loads(out)["config"]["engine"] == "scripted"


def test_a_config_file_does_the_same_and_flags_win(reviews: Path, tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text(f'task = "sentiment"\ninputs = ["{reviews}"]\noutput = "{tmp_path}/out"\nengine = "scripted"\n')
    assert invoke("run", job)[0] == 0
    manifest = json.loads(invoke("sentiment", "--config", job, "--limit", "2", "--json")[1])
    assert manifest["counts"]["rows"] == 2
    assert manifest["counts"]["sent"] == 0


def test_labels_and_engine_arguments_are_repeated_flags(reviews: Path, tmp_path: Path) -> None:
    flags = ["--label", "positive", "--label", "negative", "--engine-arg", "max_num_seqs=8", "--json"]
    manifest = json.loads(invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted", *flags)[1])
    assert manifest["config"]["options"] == {"labels": ["positive", "negative"]}
    assert manifest["config"]["engine_args"] == {"max_num_seqs": 8}


def test_what_was_left_out_or_damaged_is_told(reviews: Path, write_parquet, tmp_path: Path) -> None:
    command = ("sentiment", reviews.parent, tmp_path / "out", "--engine", "scripted")
    assert invoke(*command, "--store", tmp_path / "store")[0] == 0
    bad = reviews.parent / "bad.parquet"
    bad.write_bytes(b"not Parquet")
    code, _, err = invoke(*command, "--store", tmp_path / "store")
    assert (code, str(bad) in err) == (2, True), err
    shutil.copytree(tmp_path / "store", tmp_path / "damaged")
    for part in (tmp_path / "damaged").rglob("part-*.parquet"):
        part.write_bytes(part.read_bytes()[:-5])
    _, out, _ = invoke(*command, "--store", tmp_path / "damaged", "--skip-bad-files")
    assert "4 in, 3 ok, 1 failed" in out
    assert re.search(rf"skipped +{re.escape(str(bad))} is not readable Parquet", out), out
    assert "1 damaged parts were skipped" in out
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["incidents"] == {"engine_deaths": 0, "damaged_store_parts": 1, "workers_lost": 0}
    assert [skipped["path"] for skipped in manifest["skipped_inputs"]] == [str(bad)]


def test_too_many_failed_rows_end_with_3_after_the_output_is_written(reviews: Path, tmp_path: Path) -> None:
    code, _, _ = invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted", "--max-failed", "0")
    assert code == 3
    assert (tmp_path / "out/manifest.json").is_file()
    assert invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted", "--max-failed", "25%")[0] == 0


def test_the_share_that_may_fail_is_one_of_results_where_rows_have_several(write_parquet, tmp_path: Path) -> None:
    texts = write_parquet({"text": [*(f"It is {n} degrees." for n in range(9)), None]})
    command = ("translate", texts, tmp_path / "out", "--engine", "scripted", "--to", "es", "--to", "de", "--max-failed")
    assert invoke(*command, "10%")[0] == 0
    assert invoke(*command, "9%")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{in}", "{out}", "--text", "body"], "the input has: id (string), text (string)"),
        (["{in}/absent", "{out}"], "no Parquet files"),
        (["{in}", "gs://bucket/out"], "cannot use the output"),
        (["{in}", "{out}", "--label", "great"], "labels"),
        (["{in}", "{out}", "--prompt-form", "poem"], "chat and bare"),
        (["{in}", "{out}", "--engine-arg", "x"], "NAME=VALUE"),
        (["{in}", "{out}", "--engine", "vllm", "--model", "smollm2-135"], "smollm2-135m"),
        (["{in}", "{out}", "--engine", "vllm", "--model", "./nowhere"], "not a folder"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[str], words: str, reviews: Path, tmp_path: Path) -> None:
    filled = [a.replace("{in}", str(reviews)).replace("{out}", str(tmp_path / "out")) for a in arguments]
    engine = [] if "--engine" in filled else ["--engine", "scripted"]
    code, _, err = invoke("sentiment", *filled, *engine)
    assert (code, words in err) == (2, True), err
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out.*.tmp"))


def test_the_catalogue_can_be_looked_at() -> None:
    assert "qwen2.5-0.5b" in invoke("models", "list")[1]
    assert "Apache-2.0" in invoke("models", "show", "smollm2-135m")[1]
    code, _, err = invoke("models", "show", "smolm")
    assert (code, "smollm2-135m" in err) == (2, True)


def test_help_teaches() -> None:
    code, out, _ = invoke("sentiment", "--help")
    assert code == 0
    for word in ("--text", "--label", "--max-failed", "default: qwen2.5-0.5b", "--show"):
        assert word in out


def test_help_shows_no_default_where_a_value_must_be_given() -> None:
    code, out, _ = invoke("translate", "--help")
    assert (code, "--to" in out, "Undefined" in out) == (0, True, False)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_says_so_and_goes_on_where_it_was(
    number: int, write_parquet, tmp_path: Path, start_slow_job
) -> None:
    reviews = write_parquet({"text": [f"text {i}" for i in range(3000)]})
    process = start_slow_job(reviews)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
    (left,) = tmp_path.glob(".out.*.tmp")
    assert [file.name for file in left.iterdir()] == ["run.json"]
    manifest = json.loads(invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted", "--json")[1])
    assert manifest["counts"]["ok"] == 3000
    assert manifest["counts"]["reused"] > 0
    assert not left.exists()


CHATTERING_JOB = """
import os, sys, time
from pipeline.engines.scripted import ScriptedEngine
collect = ScriptedEngine.collect
def chatter(self):
    print("CHATTER", file=sys.stderr)
    print("CHATTER")
    os.write(2, b"CHATTER from below")
    time.sleep(0.1)
    return collect(self)
ScriptedEngine.collect = chatter
from jobs.cli import main
main()
"""


@pytest.mark.slow
def test_the_terminal_shows_our_progress_and_the_log_the_chatter(write_parquet, tmp_path: Path, home: Path) -> None:
    reviews = write_parquet({"text": [f"text {i}" for i in range(500)]})
    terminal, end = pty.openpty()
    arguments = ["sentiment", str(reviews), str(tmp_path / "out"), "--engine", "scripted"]
    environment = {**os.environ, "TEXTMILL_HOME": str(home), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-c", CHATTERING_JOB, *arguments], stdout=end, stderr=end, env=environment
    )
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while chunk := os.read(terminal, 65536):
            shown += chunk
    os.close(terminal)
    assert process.wait() == 0
    assert b"answering" in shown
    assert b"rows/s" in shown
    assert b"500 in, 500 ok" in shown
    assert b"CHATTER" not in shown
    assert (tmp_path / "out/run.log").read_text().count("CHATTER from below") > 3


@pytest.mark.slow
def test_a_killed_run_leaves_no_output_and_the_next_one_cleans_up(
    write_parquet, tmp_path: Path, start_slow_job
) -> None:
    reviews = write_parquet({"text": [f"text {i}" for i in range(3000)]})
    process = start_slow_job(reviews)
    process.kill()
    process.communicate()
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out.*.tmp"))
    assert invoke("sentiment", reviews, tmp_path / "out", "--engine", "scripted")[0] == 0
    assert not list(tmp_path.glob(".out.*.tmp"))
