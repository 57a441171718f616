"""The end of a fine-tuning: what it did is put on the card, and all of it into the folder."""

import platform
import shutil
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from jobs.adapting.adapter_folder import replace_folder
from jobs.adapting.figures import Whose
from jobs.adapting.judging import Figures, judge
from jobs.adapting.learner import Learner
from jobs.adapting.lectures import Lectures
from jobs.adapting.lessons import gold_digest
from jobs.adapting.training import Progress
from jobs.evaluation.calibrate import write_calibration
from jobs.inquiry import make_recipe
from jobs.terminal import Terminal
from pipeline.adapters import adapted_digest, adapter_digest
from pipeline.calibration import prompt_digest
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedSpec
from schemas.adapter import CALIBRATION_NAME, CARD_NAME, AdapterCard, DataInfo, DataPart


def conclude(lectures: Lectures, learner: Learner, progress: Progress, terminal: Terminal) -> AdapterCard:
    """Judge what was not seen, before and after, and write everything; the folder appears whole."""
    started, out = time.monotonic(), lectures.asked.out.absolute()
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    learner.save_adapter(building)
    now = datetime.now(UTC)
    figures, calibration = judge(lectures, learner, _whose(lectures, building), now, terminal)
    if calibration is not None:
        write_calibration(building / CALIBRATION_NAME, calibration)
    seconds = {"training": round(progress.seconds, 1), "figures": round(time.monotonic() - started, 1)}
    card = _card(lectures, progress, figures, now, seconds, str(learner.device))
    (building / CARD_NAME).write_text(card.to_json() + "\n", encoding="utf-8")
    replace_folder(building, out)
    return card


def _card(
    lectures: Lectures,
    progress: Progress,
    figures: tuple[Figures, Figures],
    now: datetime,
    seconds: dict[str, float],
    device: str,
) -> AdapterCard:
    task, model = lectures.task, lectures.model
    return AdapterCard(
        task=task.name,
        task_version=task.version,
        prompt_form=task.form,
        options=lectures.options,
        prompts=lectures.prompts()[0],
        model=str(lectures.folder) if Path(model.name).expanduser().resolve() == lectures.folder else model.name,
        model_digest=model.digest,
        trained=now,
        settings=lectures.asked.settings,
        data=_data(lectures),
        steps=progress.step,
        best_step=progress.best_step,
        losses=progress.losses,
        before=figures[0],
        after=figures[1],
        seconds=seconds,
        device=device,
        versions={"python": platform.python_version(), **{n: version(n) for n in ("torch", "transformers", "peft")}},
    )


def _whose(lectures: Lectures, adapter: Path) -> Whose:
    digest = adapted_digest(lectures.model.digest, adapter_digest(adapter))
    adapted = replace(lectures.model, digest=digest)
    rules = lectures.teacher.rules
    engine = ScriptedSpec(EngineNeeds("", rules.context_tokens, None))
    recipe = make_recipe(lectures.task, adapted, engine.identity(), rules).as_dict()
    prompts = prompt_digest(recipe, lectures.task.calibrated_questions) or ""
    about = f"{lectures.asked.gold}, {lectures.gold.about}"
    seed = lectures.asked.settings.seed
    return Whose(lectures.task.name, lectures.model.name, digest, prompts, "finetune", about, seed)


def _data(lectures: Lectures) -> DataInfo:
    rows = [gold for part in lectures.parts for gold in part]
    parts = [DataPart(rows=len(part), questions=sum(len(gold.targets) for gold in part)) for part in lectures.parts]
    return DataInfo(
        file=str(lectures.asked.gold),
        digest=gold_digest(rows),
        answers=lectures.gold.about,
        left_out=lectures.left_out,
        labels=dict(Counter(gold.label for gold in rows if gold.label).most_common()) or None,
        training=parts[0],
        stopping=parts[1],
        reporting=parts[2],
    )
