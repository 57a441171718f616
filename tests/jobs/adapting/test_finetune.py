"""Training from gold to adapter: it goes on where it stopped, and merged it answers as it was judged."""

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.adapting.adapter_folder import replace_folder
from jobs.adapting.gold_rows import write_cells
from jobs.inquiry import make_task
from jobs.settings import merge
from jobs.tasks import find_task
from jobs.terminal import Terminal
from pipeline.adapters import adapter_digest, read_card, refuse_other_prompts, with_adapter
from pipeline.calibration import read_calibration
from pipeline.errors import UsageError
from pipeline.models import resolve_model
from pipeline.requests import Prompter, PromptRules
from schemas.adapter import CALIBRATION_NAME, TrainingSettings
from tests.jobs.adapting.conftest import WORDS
from tests.jobs.test_cli import invoke

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

SETTINGS = TrainingSettings(rank=2, learning_rate=0.02, batch_rows=16, epochs=3, held_out=0.4)


@pytest.fixture(scope="session")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """260 rows as a spreadsheet has them, a few of them of no use."""
    rng, rows = np.random.default_rng(3), []
    for number, label in enumerate(rng.choice([*WORDS], 260, p=(0.6, 0.2, 0.2))):
        word = str(rng.choice(WORDS[label].split()))
        rows.append({"text": f"{word} {number}", "gold_label": str(label)})
    rows += [{"text": "not labelled", "gold_label": ""}, {"text": "mistaken", "gold_label": "postive"}]
    file = tmp_path_factory.mktemp("gold") / "gold.csv"
    write_cells(file, ["text", "gold_label"], rows)
    return file


def asked(gold: Path, tiny: Path, out: Path, **changes: Any) -> Any:
    from jobs.adapting.finetune import FineTuning

    return FineTuning(gold, "sentiment", str(tiny), out, **{"settings": SETTINGS, **changes})


@pytest.fixture(scope="session")
def adapter(gold: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training makes of the gold, with no time at first."""
    from jobs.adapting.finetune import finetune

    out, terminal = tmp_path_factory.mktemp("trained") / "adapter", Terminal(io.StringIO())
    assert finetune(asked(gold, tiny, out, seconds=0), terminal) is None
    assert not out.exists()
    assert finetune(asked(gold, tiny, out), terminal) == read_card(out)
    assert [path.name for path in out.parent.iterdir()] == ["adapter"]
    return out


def test_what_it_learnt_is_in_the_card(adapter: Path) -> None:
    card = read_card(adapter)
    assert card.data.left_out == {"no answer": 1, "a label that the task does not have": 1}
    assert card.data.training.rows + card.data.stopping.rows + card.data.reporting.rows == 260
    assert card.after["loss"].value < card.before["loss"].value
    assert card.after["accuracy"].rows == card.data.reporting.rows
    assert read_calibration(str(adapter / CALIBRATION_NAME)).rows == card.data.stopping.rows


def test_merged_it_answers_as_it_was_judged(adapter: Path, gold: Path, tiny: Path) -> None:
    from jobs.adapting.learner import Learner
    from jobs.adapting.lectures import prepare_lectures

    model = resolve_model(str(tiny), None, lambda _: None)
    adapted = with_adapter(model, adapter, read_card(adapter), "sentiment", lambda _: None)
    assert adapted.folder is not None
    assert adapted.adapter is not None
    assert adapted.adapter.digest == adapter_digest(adapter)
    assert adapted.digest != model.digest == adapted.adapter.model_digest

    lectures = prepare_lectures(asked(gold, tiny, adapter), Terminal(io.StringIO()))
    assert lectures.teacher.rules.guard
    assert lectures.teacher.rules.truncate
    unseen = lectures.teacher.lessons(lectures.parts[2])
    judged = Learner(adapted.folder, SETTINGS, 1).judge(unseen, lambda by: None, adapted=False)
    assert judged.loss == pytest.approx(read_card(adapter).after["loss"].value, rel=1e-4)


def test_training_in_pieces_is_training(gold: Path, tiny: Path, tmp_path: Path) -> None:
    from jobs.adapting.learner import Learner
    from jobs.adapting.lectures import prepare_lectures
    from jobs.adapting.training import Training

    lectures = prepare_lectures(asked(gold, tiny, tmp_path / "adapter"), Terminal(io.StringIO()))
    lessons, checked = (lectures.teacher.lessons(part) for part in lectures.parts[:2])

    def course(name: str) -> Training:
        ticks = itertools.count().__next__
        learner = Learner(tiny, SETTINGS, 20)
        return Training(learner, SETTINGS, lessons, checked, tmp_path / name, "key", lambda _: None, ticks)

    whole, done = course("whole").run(float("inf"), lambda by: None)
    assert done
    calls, done = 0, False
    while not done:
        pieces, done = course("pieces").run(9, lambda by: None)
        calls += 1
    assert calls > 3
    assert (pieces.step, pieces.best_step) == (whole.step, whole.best_step)
    assert [loss for _, loss in pieces.losses] == pytest.approx([loss for _, loss in whole.losses], rel=1e-4)


def test_the_adapter_names_the_model(adapter: Path, tiny: Path) -> None:
    config = {"task": "sentiment", "inputs": ["a"], "output": "out", "adapter": str(adapter)}
    assert merge(config, {}, {}).model == str(tiny)
    assert merge(config, {}, {"model": "another"}).model == "another"


def test_an_adapter_is_for_its_task_its_model_and_its_prompts(adapter: Path, tiny: Path) -> None:
    model, card = resolve_model(str(tiny), None, lambda _: None), read_card(adapter)
    with pytest.raises(UsageError, match="is for sentiment, not for classify"):
        with_adapter(model, adapter, card, "classify", lambda _: None)
    with pytest.raises(UsageError, match="not for another"):
        with_adapter(replace(model, name="another", digest="another"), adapter, card, "sentiment", lambda _: None)
    prompter = Prompter(PromptRules(str(tiny), "", 2048, 0, truncate=True))
    refuse_other_prompts(card, make_task(find_task("sentiment"), card.options, None, model), prompter)
    with pytest.raises(UsageError, match="other prompts"):
        refuse_other_prompts(card, make_task(find_task("sentiment"), {}, None, model), prompter)


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("sentiment", [{"text": "One", "gold_label": "great"}], "no row of the gold can be learnt from"),
        ("sentiment", [{"text": "One", "gold_label": "positive"}], "too few to train on"),
        ("sentiment", [{"text": "One"}], "the gold has no answers to learn from"),
    ],
)
def test_gold_that_teaches_nothing_is_one_line(task, rows, message, tiny: Path, tmp_path: Path) -> None:
    write_cells(tmp_path / "gold.csv", list(rows[0]), rows)
    options = ["--task", task, "--model", str(tiny), "--out", str(tmp_path / "adapter")]
    exit_code, _, error = invoke("finetune", str(tmp_path / "gold.csv"), *options)
    assert exit_code == 2
    assert message in error


def test_only_an_adapter_is_replaced(gold: Path, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    exit_code, _, error = invoke("finetune", str(gold), "--model", str(tiny), "--out", str(tmp_path))
    assert exit_code == 2
    assert "is no adapter" in error
    new, old = tmp_path / "new", tmp_path / "old"
    for folder in (new, old):
        folder.mkdir()
        (folder / "which").write_text(folder.name)
    replace_folder(new, old)
    assert (old / "which").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir() and "home" not in p.name) == ["old"]
