"""What is settled before a model is loaded: models that cannot learn words, languages and columns that gold names."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.adapting.gold_rows import write_cells
from jobs.adapting.lectures import FineTuning, Lectures, prepare_lectures
from jobs.terminal import Terminal
from pipeline.errors import UsageError
from tests.jobs.test_cli import invoke


def settle(folder: Path, rows: list[dict[str, Any]], model: Path, task: str = "translate", **changes: Any) -> Lectures:
    """The lectures of a file with these rows."""
    file = folder / "gold.csv"
    write_cells(file, list(rows[0]), rows)
    return prepare_lectures(FineTuning(file, task, str(model), folder / "out", **changes), Terminal(io.StringIO()))


def configured(model: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a model whose configuration says something else."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    return folder


@pytest.fixture
def thinking(tiny_chat: Path, tmp_path: Path) -> Path:
    """A model of a kind that thinks."""
    folder = configured(tiny_chat, tmp_path / "thinking", model_type="qwen3")
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").write_text("{# enable_thinking #}" + template, encoding="utf-8")
    return folder


def test_a_model_that_thinks_is_not_taught_words(thinking: Path, tmp_path: Path) -> None:
    rows = [{"text": f"good {i}", "target_language": "sw", "reference": "bad"} for i in range(9)]
    with pytest.raises(UsageError, match="thinks before it answers"):
        settle(tmp_path, rows, thinking, options={"source": "en"})
    rated = [{"text": f"good {i}", "gold_label": "positive"} for i in range(9)]
    assert "positive" in settle(tmp_path, rated, thinking, "sentiment").labels


def test_languages_that_the_gold_names_in_several_ways_are_one(tiny_chat: Path, tmp_path: Path) -> None:
    said = ["es", "ES", "Spanish", "es ", "pt-BR", None]
    rows = [{"text": f"good {i}", "target_language": to, "reference": "bad"} for i, to in enumerate(said)]
    lectures = settle(tmp_path, rows, tiny_chat, options={"source": "en"})
    assert lectures.options["to"] == ["es", "pt-br"]
    assert lectures.left_out == {"no target_language": 1}
    assert lectures.prompts()[1] == []  # further pieces of a text are asked as its first
    with pytest.raises(UsageError, match="unknown language 'Klingon'"):
        settle(tmp_path, [{**rows[0], "target_language": "Klingon"}], tiny_chat)


def test_columns_are_found_as_a_job_finds_them(
    tiny_chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pipeline.models", "jobs.adapting.lectures"):
        monkeypatch.setattr(f"{module}.DEFAULT_CONTEXT_TOKENS", 20_000)
    model = configured(tiny_chat, tmp_path / "roomy", max_position_embeddings=20_000)
    rows = [{"said": f"Where is {i}?", "gold_reply": "On its way.", "rules": f"Rule {i}"} for i in range(9)]
    with pytest.raises(UsageError, match="reply needs a column 'messages'"):
        settle(tmp_path, rows, model, "reply")
    with pytest.raises(UsageError, match="reply reads no field 'polic'"):
        settle(tmp_path, rows, model, "reply", fields={"polic": "rules"})
    with pytest.raises(UsageError, match="generate needs a column 'topic' or 'brief'"):
        settle(tmp_path, [{"gold_body": "It shines.", "said": "x"}], model, "generate")
    lectures = settle(tmp_path, rows, model, "reply", text="said", fields={"policy": "rules"})
    learnt, others = lectures.prompts()
    assert (list(learnt), others) == (["reply"], ["intent", "needs_human", "reason"])
    assert {row.record.policy for part in lectures.parts for row in part} == {row["rules"] for row in rows}


def test_a_field_that_no_task_reads_is_refused_at_the_command_line(tiny_chat: Path, tmp_path: Path) -> None:
    write_cells(tmp_path / "gold.csv", ["said", "gold_reply"], [{"said": "Where?", "gold_reply": "Here."}])
    options = ["--task", "reply", "--model", str(tiny_chat), "--out", str(tmp_path / "adapter")]
    exit_code, _, error = invoke("finetune", str(tmp_path / "gold.csv"), *options, "--column", "polic=said")
    assert (exit_code, "reply reads no field 'polic'" in error) == (2, True)


def test_lines_that_are_trained_on_are_not_held_out(tiny_chat: Path, tmp_path: Path) -> None:
    texts = [(f"good\nfine {i}", f"bad\nbroken {i}") for i in range(20)]
    rows = [{"text": text, "target_language": "sw", "reference": reference} for text, reference in texts]
    file, said = tmp_path / "gold.csv", io.StringIO()
    write_cells(file, list(rows[0]), rows)
    asked = FineTuning(file, "translate", str(tiny_chat), tmp_path / "out", options={"source": "en"})
    training, *held_out = prepare_lectures(asked, Terminal(said)).parts
    assert {frozenset(row.targets) for row in training} == {frozenset({"sw/0", "sw/1"})}
    assert [list(row.targets) for part in held_out for row in part] == [["sw/1"]] * 4
    assert "left out: 4 held-out answers to prompts that are trained on" in " ".join(said.getvalue().split())
    same = [{**rows[0], "text": f"{mark}good", "reference": f"{mark}bad"} for mark in ("", "- ", "* ")]
    with pytest.raises(UsageError, match="no held-out row has a prompt that is not trained on"):
        settle(tmp_path, same, tiny_chat, options={"source": "en"})
