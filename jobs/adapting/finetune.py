"""Fine-tuning, put together: gold in, an adapter with its card and calibration out."""

import hashlib
import json
import platform
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.adapting.figures import Answered, Whose, calibration_of
from jobs.adapting.gold_rows import read_gold_rows
from jobs.adapting.learner import Learner
from jobs.adapting.lessons import GoldRow, Teacher, gold_digest, read_rows, split, weighted
from jobs.adapting.targets import GoldColumns, find_columns
from jobs.adapting.training import Progress, Training
from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.calibrate import write_calibration
from jobs.evaluation.ratings import RATED_LABELS
from jobs.prepare import make_recipe, make_task
from jobs.tasks import find_task
from jobs.terminal import Terminal
from pipeline.adapters import adapted_digest, adapter_digest, prompt_digests
from pipeline.calibration import prompt_digest
from pipeline.columns import choose_column, choose_text_column
from pipeline.decoding import Choice
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedSpec
from pipeline.errors import UsageError
from pipeline.models import DEFAULT_CONTEXT_TOKENS, Model, resolve_model
from pipeline.requests import Prompter, PromptRules
from pipeline.task import AnyTask
from pipeline.tokens import load_tokenizer
from schemas.adapter import CALIBRATION_NAME, CARD_NAME, AdapterCard, DataInfo, DataPart, TrainingSettings


@dataclass(frozen=True)
class FineTuning:
    """What is asked for.

    Attributes:
        gold: Parquet or CSV.
        task: a name, or FILE.py:NAME.
        model: what to train on top of.
        out: the adapter's folder; an earlier one is replaced as a whole.
        columns: role → column of the gold, where it is not found by its name.
        text: the text's column.
        options, prompt_form: of the task.
        settings: of the training.
        seconds: train no longer now; the same command goes on.
    """

    gold: Path
    task: str
    model: str
    out: Path
    columns: Mapping[str, str | None] = field(default_factory=dict)
    text: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    prompt_form: str | None = None
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    seconds: float = float("inf")


@dataclass(frozen=True)
class _Lectures:
    """Everything that is settled before a model is loaded."""

    asked: FineTuning
    model: Model
    task: AnyTask
    options: dict[str, Any]
    teacher: Teacher
    columns: GoldColumns
    parts: tuple[list[GoldRow], list[GoldRow], list[GoldRow]]
    left_out: dict[str, int]

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the one choice that there is a row; else none."""
        gold = self.parts[0][0]
        (question, *others) = [q for q in self.task.questions(gold.record) if q.name in gold.targets]
        return question.decoding.labels if isinstance(question.decoding, Choice) and not others else ()

    def key(self) -> str:
        """Names the training: a checkpoint of another one is of no use."""
        prompts = prompt_digests(self.task, Prompter(self.teacher.rules))
        parts = [self.model.digest, self.asked.settings.model_dump_json(), json.dumps(prompts, sort_keys=True)]
        return hashlib.sha256("\n".join([*parts, *(gold_digest(part) for part in self.parts)]).encode()).hexdigest()


def finetune(asked: FineTuning, terminal: Terminal) -> AdapterCard | None:
    """Train an adapter and write it; None if the time was not enough: the same command goes on.

    Raises:
        UsageError: if there is nothing to learn from, or the packages for it are missing.
        RunError: if the model cannot be had.
    """
    lectures = _prepare(asked, terminal)
    training, stopping, reporting = lectures.parts
    settings, teacher = asked.settings, lectures.teacher
    lessons = weighted(teacher.lessons(training), training, settings.balance)
    checked = (
        weighted(teacher.lessons(stopping), training + stopping, settings.balance)
        if not lectures.labels
        else [replace(lesson, weight=1.0) for lesson in teacher.lessons(stopping)]
    )
    folder = asked.out.absolute().with_name(f".{asked.out.name}.training")
    steps = settings.epochs * -(-len(lessons) // settings.batch_rows)
    assert_folder = lectures.model.folder
    if assert_folder is None:
        raise UsageError("there is no model to train")
    terminal.say(f"training on {len(training):,} rows, {len(stopping):,} for stopping, {len(reporting):,} for figures")
    learner = Learner(assert_folder, settings, steps)
    course = Training(learner, settings, lessons, checked, folder, lectures.key(), terminal.say)
    with terminal.steps("training", course.num_steps) as advance:
        progress, done = course.run(asked.seconds, advance)
    if not done:
        return None
    if progress.best is not None:
        learner.load_adapter(progress.best)
    card = _conclude(lectures, learner, progress, terminal)
    course.discard()
    return card


def _prepare(asked: FineTuning, terminal: Terminal) -> _Lectures:
    task_class = find_task(asked.task)
    rows = read_gold_rows(asked.gold)
    if not rows:
        raise UsageError(f"the gold {asked.gold} has no rows")
    columns = find_columns(dict.fromkeys(rows[0]), asked.columns, rows)
    options = {**task_class.adapted, **asked.options}
    if task_class.name == "sentiment" and columns.label is None:
        options.setdefault("labels", list(RATED_LABELS))
    model = resolve_model(asked.model, None, terminal.say)
    if model.folder is None:
        raise UsageError("there is no model to train")
    task = make_task(task_class, options, asked.prompt_form, model)
    context = min(model.context_tokens or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)
    rules = PromptRules(str(model.folder), "", context, 0, truncate=True)
    teacher = Teacher(task, rules, load_tokenizer(model.folder), _end_token(model.folder))
    found, left_out = read_rows(task, teacher, rows, columns, _fields(task_class, rows, asked.text))
    parts = split(found, asked.settings.held_out, asked.settings.seed)
    return _Lectures(asked, model, task, options, teacher, columns, parts, left_out)


def _fields(task: type[AnyTask], rows: Sequence[Mapping[str, Any]], text: str | None) -> dict[str, str]:
    """Record field → the gold's column, found as a job finds it."""
    schema = pa.Table.from_pylist([dict(row) for row in rows]).schema
    fields: dict[str, str] = {}
    for i, (name, info) in enumerate(task.record.model_fields.items()):
        if i == 0 and info.annotation is str:
            fields[name] = choose_text_column(schema, text, name)
        elif (column := choose_column(schema, None, task.record.column_names(name), name)) is not None:
            fields[name] = column
    return fields


def _end_token(folder: Path) -> int:
    """The token that ends an answer: the engine stops there."""
    for name in ("generation_config.json", "config.json"):
        if (folder / name).is_file():
            end = json.loads((folder / name).read_text(encoding="utf-8")).get("eos_token_id")
            if end is not None:
                return int(end[0] if isinstance(end, list) else end)
    raise UsageError(f"{folder} does not say which token ends an answer")


def _conclude(lectures: _Lectures, learner: Learner, progress: Progress, terminal: Terminal) -> AdapterCard:
    """Judge what was not seen, before and after, and write everything; the folder appears whole."""
    started, asked = time.monotonic(), lectures.asked
    building = asked.out.absolute().with_name(f".{asked.out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    learner.save_adapter(building)
    after, before, stopping = _judge(lectures, learner, terminal)
    resampling = Resampling(1000, asked.settings.seed)
    now = datetime.now(UTC)
    calibration = calibration_of(stopping, after, _whose(lectures, building), now) if lectures.labels else None
    if calibration is not None:
        write_calibration(building / CALIBRATION_NAME, calibration)
    card = AdapterCard(
        task=lectures.task.name,
        task_version=lectures.task.version,
        prompt_form=lectures.task.form,
        options=lectures.options,
        prompts=prompt_digests(lectures.task, Prompter(lectures.teacher.rules)),
        model=lectures.model.name if lectures.model.licence else str(lectures.model.folder),
        model_digest=lectures.model.digest,
        trained=now,
        settings=asked.settings,
        data=_data(lectures),
        steps=progress.step,
        best_step=progress.best_step,
        losses=progress.losses,
        before=before.figures(resampling),
        after=after.figures(resampling),
        seconds={"training": round(progress.seconds, 1), "figures": round(time.monotonic() - started, 1)},
        device=str(learner.device),
        versions={"python": platform.python_version(), **{n: version(n) for n in ("torch", "transformers", "peft")}},
    )
    (building / CARD_NAME).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if asked.out.exists():
        shutil.rmtree(asked.out)
    building.rename(asked.out.absolute())
    return card


def _judge(lectures: _Lectures, learner: Learner, terminal: Terminal) -> tuple[Answered, Answered, Answered]:
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


def _whose(lectures: _Lectures, adapter: Path) -> Whose:
    digest = adapted_digest(lectures.model.digest, adapter_digest(adapter))
    adapted = replace(lectures.model, digest=digest)
    rules = lectures.teacher.rules
    engine = ScriptedSpec(EngineNeeds("", rules.context_tokens, None))
    recipe = make_recipe(lectures.task, adapted, engine, rules).as_dict()
    prompts = prompt_digest(recipe, lectures.task.calibrated_questions) or ""
    about = f"{lectures.asked.gold}, {lectures.columns.about}"
    seed = lectures.asked.settings.seed
    return Whose(lectures.task.name, lectures.model.name, digest, prompts, "finetune", about, seed)


def _data(lectures: _Lectures) -> DataInfo:
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
