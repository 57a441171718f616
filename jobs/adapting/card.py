"""The end of a fine-tuning: what it did on rows it has not seen, the card, the calibration, the folder."""

import platform
import shutil
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from jobs.adapting.adapter_folder import replace_folder
from jobs.adapting.figures import Answered, Whose, calibration_of
from jobs.adapting.learner import Learner
from jobs.adapting.lectures import Lectures
from jobs.adapting.lessons import gold_digest
from jobs.adapting.training import Progress
from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.calibrate import write_calibration
from jobs.inquiry import make_recipe, make_task
from jobs.terminal import Terminal
from pipeline.adapters import adapted_digest, adapter_digest, prompt_digests
from pipeline.calibration import prompt_digest
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedSpec
from pipeline.requests import Prompter
from schemas.adapter import CALIBRATION_NAME, CARD_NAME, AdapterCard, DataInfo, DataPart
from schemas.evaluation import Figure


def conclude(lectures: Lectures, learner: Learner, progress: Progress, terminal: Terminal) -> AdapterCard:
    """Judge what was not seen, before and after, and write everything; the folder appears whole."""
    started, out = time.monotonic(), lectures.asked.out.absolute()
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    learner.save_adapter(building)
    after, before, stopping = _judge(lectures, learner, terminal)
    now = datetime.now(UTC)
    calibration = calibration_of(stopping, after, _whose(lectures, building), now) if lectures.labels else None
    if calibration is not None:
        write_calibration(building / CALIBRATION_NAME, calibration)
    resampling = Resampling(1000, lectures.asked.settings.seed)
    figures = before.figures(resampling), after.figures(resampling)
    seconds = {"training": round(progress.seconds, 1), "figures": round(time.monotonic() - started, 1)}
    card = _card(lectures, progress, figures, now, seconds, str(learner.device))
    (building / CARD_NAME).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    replace_folder(building, out)
    return card


def _card(
    lectures: Lectures,
    progress: Progress,
    figures: tuple[dict[str, Figure], dict[str, Figure]],
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
        prompts=prompt_digests(task, Prompter(lectures.teacher.rules)),
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


def _judge(lectures: Lectures, learner: Learner, terminal: Terminal) -> tuple[Answered, Answered, Answered]:
    """The rows for reporting with the adapter, without it by the job's usual prompts, and those for stopping."""
    _, stopping, reporting = lectures.parts
    usual = {**{k: v for k, v in lectures.options.items() if k not in lectures.task.adapted}, **lectures.asked.options}
    task = make_task(type(lectures.task), usual, lectures.asked.prompt_form, lectures.model)
    untrained = replace(lectures.teacher, task=task)
    sides = ((lectures.teacher, reporting, True), (untrained, reporting, False), (lectures.teacher, stopping, True))
    found = []
    with terminal.steps("judging", 2 * len(reporting) + len(stopping)) as advance:
        for teacher, rows, adapted in sides:
            judged = learner.judge(teacher.lessons(rows), advance, adapted)
            found.append(Answered(rows, judged, lectures.labels, lectures.columns.end))
    return found[0], found[1], found[2]


def _whose(lectures: Lectures, adapter: Path) -> Whose:
    digest = adapted_digest(lectures.model.digest, adapter_digest(adapter))
    adapted = replace(lectures.model, digest=digest)
    rules = lectures.teacher.rules
    engine = ScriptedSpec(EngineNeeds("", rules.context_tokens, None))
    recipe = make_recipe(lectures.task, adapted, engine.identity(), rules).as_dict()
    prompts = prompt_digest(recipe, lectures.task.calibrated_questions) or ""
    about = f"{lectures.asked.gold}, {lectures.columns.about}"
    seed = lectures.asked.settings.seed
    return Whose(lectures.task.name, lectures.model.name, digest, prompts, "finetune", about, seed)


def _data(lectures: Lectures) -> DataInfo:
    rows = [gold for part in lectures.parts for gold in part]
    parts = [DataPart(rows=len(part), questions=sum(len(gold.targets) for gold in part)) for part in lectures.parts]
    return DataInfo(
        file=str(lectures.asked.gold),
        digest=gold_digest(rows),
        answers=lectures.columns.about,
        left_out=lectures.left_out,
        labels=dict(Counter(gold.label for gold in rows if gold.label).most_common()),
        training=parts[0],
        stopping=parts[1],
        reporting=parts[2],
    )
