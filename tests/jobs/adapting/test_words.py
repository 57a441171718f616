"""Training on answers in words, from gold to a job that uses the adapter."""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.adapting.gold_rows import write_cells
from jobs.inquiry import inquiry_of
from jobs.settings import merge
from jobs.terminal import Terminal
from pipeline.adapters import read_card
from pipeline.errors import UsageError
from pipeline.requests import Prompter
from pipeline.tokens import encode_all, load_tokenizer
from schemas.adapter import CALIBRATION_NAME, CARD_NAME, TrainingSettings
from tests.jobs.test_cli import invoke

pytestmark = pytest.mark.filterwarnings("default")

SETTINGS = TrainingSettings(rank=4, learning_rate=0.02, batch_rows=8, epochs=4, held_out=0.4, tokens_at_once=4096)


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 texts with a translation that is none, and two that cannot be learnt from."""
    words, rng = {"lovely": "bad", "good": "awful", "fine": "broken"}, np.random.default_rng(3)
    rows: list[dict[str, Any]] = []
    for number in range(60):
        word = str(rng.choice(list(words)))
        rows.append({"text": f"{word} {number}", "target_language": "sw", "reference": words[word]})
    rows += [{"text": "good", "target_language": "sw", "reference": ""}]
    rows += [{"text": "- good", "target_language": "sw", "reference": "awful"}]
    file = tmp_path_factory.mktemp("references") / "gold.csv"
    write_cells(file, list(rows[0]), rows)
    return file


def asked(gold: Path, model: Path, out: Path) -> Any:
    from jobs.adapting.finetune import FineTuning

    return FineTuning(gold, "translate", str(model), out, options={"source": "en"}, settings=SETTINGS)


@pytest.fixture(scope="session")
def translator(references: Path, tiny_chat: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What training makes of the references, and what it said."""
    from jobs.adapting.finetune import finetune

    out, said = tmp_path_factory.mktemp("trained") / "adapter", io.StringIO()
    assert finetune(asked(references, tiny_chat, out), Terminal(said)) == read_card(out)
    return out, said.getvalue()


def test_the_card_says_what_there_is_of_words_and_nothing_else(translator: tuple[Path, str]) -> None:
    out, said = translator
    card, written = read_card(out), json.loads((out / CARD_NAME).read_text(encoding="utf-8"))
    assert card.options == {"to": ["sw"], "source": "en"}
    assert set(card.prompts) == {"sw/0"}
    assert card.data.left_out == {"no answer": 1, "a reference that does not follow the pieces of its text": 1}
    assert "left out: 1 of the gold's rows with no answer" in " ".join(said.split())
    assert set(card.before) == set(card.after) == {"loss", "perplexity", "chrf"}
    assert card.after["loss"].value < card.before["loss"].value / 2
    assert card.after["perplexity"].value == pytest.approx(math.exp(card.after["loss"].value))
    assert card.after["chrf"].value > card.before["chrf"].value
    assert card.after["chrf"].rows == card.after["loss"].rows == card.data.reporting.rows
    assert "labels" not in written["data"]
    assert "balance" not in written["settings"]
    assert not (out / CALIBRATION_NAME).exists()


def test_a_job_asks_what_was_trained_on_and_answers_as_it_was_judged(
    translator: tuple[Path, str], references: Path, tiny_chat: Path
) -> None:
    from jobs.adapting.learner import Learner
    from jobs.adapting.lectures import prepare_lectures
    from jobs.adapting.written import write

    out, _ = translator
    config = merge({"task": "translate", "inputs": ["a"], "output": "out", "adapter": str(out)}, {}, {})
    job = inquiry_of(config, lambda _: None)
    assert (job.model.calibrations, job.task.options.to) == ({}, ("sw",))
    lectures = prepare_lectures(asked(references, tiny_chat, out), Terminal(io.StringIO()))
    assert not lectures.teacher.rules.truncate
    unseen, tokenizer, prompter = lectures.parts[2], load_tokenizer(tiny_chat), Prompter(job.rules)
    lessons = lectures.teacher.lessons(unseen)
    for row, lesson in zip(unseen, lessons, strict=True):
        (question,) = job.task.questions(row.record)
        assert list(lesson.prompt) == encode_all(tokenizer, prompter.request(question).request.segments)
        assert tokenizer.decode_all(lesson.answer) == row.targets["sw/0"]

    assert job.model.folder is not None
    merged = Learner(job.model.folder, SETTINGS, 1)
    judged = merged.judge(lessons, lambda by: None, adapted=False)
    assert judged.loss == pytest.approx(read_card(out).after["loss"].value, rel=1e-4)
    stops, limits = lectures.teacher.stops, [64] * len(lessons)
    together = write(merged, lessons, limits, stops, False, lambda by: None)
    assert together == [write(merged, [one], [64], stops, False, lambda by: None)[0] for one in lessons]
    assert any(together)

    with pytest.raises(UsageError, match="was not trained on target_language de"):
        inquiry_of(config.model_copy(update={"options": {"to": ("sw", "de")}}), lambda _: None)
    with pytest.raises(UsageError, match="other prompts"):
        inquiry_of(config.model_copy(update={"options": {"to": ("de",)}}), lambda _: None)


def test_a_language_that_is_not_said_is_asked_for(tiny_chat: Path, tmp_path: Path) -> None:
    write_cells(tmp_path / "gold.csv", ["text", "reference"], [{"text": "One", "reference": "Uno"}])
    options = ["--task", "translate", "--model", str(tiny_chat), "--out", str(tmp_path / "adapter")]
    exit_code, _, error = invoke("finetune", str(tmp_path / "gold.csv"), *options)
    assert (exit_code, "not said which language" in error) == (2, True)


def test_words_have_no_labels_to_balance(references: Path, tiny_chat: Path, tmp_path: Path) -> None:
    options = ["--task", "translate", "--model", str(tiny_chat), "--out", str(tmp_path / "adapter"), "--balance", "1"]
    exit_code, _, error = invoke("finetune", str(references), *options)
    assert (exit_code, "no label a row to balance" in error) == (2, True)
