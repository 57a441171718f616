"""What a fine-tuning is asked for, and all that is settled before a model is loaded."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.adapting.adapter_folder import refuse_other_folder
from jobs.adapting.ending import end_token, stop_tokens
from jobs.adapting.fields import LANGUAGE, find_gold, said_language
from jobs.adapting.gold_rows import read_gold_rows
from jobs.adapting.lessons import GoldRow, Teacher, gold_digest, read_rows, split, unseen
from jobs.adapting.targets import Gold, find_columns
from jobs.evaluation.ratings import RATED_LABELS
from jobs.inquiry import first_questions, make_task
from jobs.record_columns import choose_columns
from jobs.tasks import find_task
from jobs.terminal import Terminal
from pipeline.adapters import prompt_digests
from pipeline.decoding import Choice
from pipeline.errors import UsageError
from pipeline.models import DEFAULT_CONTEXT_TOKENS, Model, reasoning_parser_of, resolve_model
from pipeline.requests import Prompter, PromptRules
from pipeline.task import AnyTask
from pipeline.tokens import load_tokenizer
from schemas.adapter import TrainingSettings

_BALANCE = 0.5


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
        fields: what the task reads → column, where it is not found by its name.
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
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lectures:
    """Everything that is settled before a model is loaded."""

    asked: FineTuning
    model: Model
    folder: Path
    task: AnyTask
    options: dict[str, Any]
    teacher: Teacher
    gold: Gold
    parts: tuple[list[GoldRow], list[GoldRow], list[GoldRow]]
    left_out: dict[str, int]

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the one choice that there is a row; else none."""
        gold = self.parts[0][0]
        (question, *others) = [q for q in self.task.questions(gold.record) if q.name in gold.targets]
        return question.decoding.labels if isinstance(question.decoding, Choice) and not others else ()

    def prompts(self) -> tuple[dict[str, str], list[str]]:
        """Digests of the prompts that are learnt, by question, and the questions of other kinds that a job has."""
        digests = prompt_digests(self.task, Prompter(self.teacher.rules))
        names = {name for part in self.parts for row in part for name in row.targets}
        learnt = {name: digest for name, digest in digests.items() if name in names}
        kinds = {_kind(name) for name in learnt}
        others = [name for name, digest in digests.items() if digest not in learnt.values()]
        return learnt, [name for name in others if _kind(name) not in kinds]

    def key(self) -> str:
        """Names the training: a checkpoint of another one is of no use."""
        prompts = prompt_digests(self.task, Prompter(self.teacher.rules))
        parts = [self.model.digest, self.asked.settings.model_dump_json(), json.dumps(prompts, sort_keys=True)]
        return hashlib.sha256("\n".join([*parts, *(gold_digest(part) for part in self.parts)]).encode()).hexdigest()


def _kind(question: str) -> str:
    """The pieces of a text, and variants, are asked alike: their names differ in numbers only."""
    return "".join(letter for letter in question if not letter.isdigit())


def prepare_lectures(asked: FineTuning, terminal: Terminal) -> Lectures:
    """Settle everything before a model is loaded.

    Raises:
        UsageError: if there is nothing to learn from, or the folder holds something else than an adapter.
        RunError: if the model cannot be had.
    """
    refuse_other_folder(asked.out)
    task_class = find_task(asked.task)
    rows = read_gold_rows(asked.gold)
    if not rows:
        raise UsageError(f"the gold {asked.gold} has no rows")
    options = {**task_class.adapted, **_told_by_gold(task_class, asked, rows), **asked.options}
    model = resolve_model(asked.model, None, terminal.say)
    if model.folder is None:
        raise UsageError("there is no model to train")
    task = make_task(task_class, options, asked.prompt_form, model)
    schema = pa.Table.from_pylist(rows).schema
    fields = choose_columns(task_class, schema, asked.fields, asked.text)
    gold = find_gold(task, asked.columns, rows, list(fields.values()))
    teacher = _teacher(task, model, model.folder)
    found, left_out = read_rows(teacher, rows, gold, fields)
    if not found:
        reasons = ", ".join(f"{count:,} have {reason}" for reason, count in left_out.items())
        raise UsageError(f"no row of the gold can be learnt from: {reasons}", f"the gold is {gold.about}")
    if any(isinstance(target, str) for row in found for target in row.targets.values()):
        _refuse_thoughts(model, model.folder)
    asked = replace(asked, settings=_balanced(asked.settings, any(row.label for row in found)))
    parts = _parts(teacher, found, asked.settings, terminal)
    return Lectures(asked, model, model.folder, task, options, teacher, gold, parts, left_out)


def _parts(
    teacher: Teacher, rows: list[GoldRow], settings: TrainingSettings, terminal: Terminal
) -> tuple[list[GoldRow], list[GoldRow], list[GoldRow]]:
    """Rows to train on, to stop by, to report on, the latter two without prompts of the first."""
    training, *others = split(rows, settings.held_out, settings.seed)
    (stopping, few), (reporting, more) = (unseen(teacher, training, part) for part in others)
    if few + more:
        terminal.say(f"left out: {few + more:,} held-out answers to prompts that are trained on, too")
    if not stopping or not reporting:
        raise UsageError("no held-out row has a prompt that is not trained on, too", "give more rows, or --held-out")
    return training, stopping, reporting


def _told_by_gold(task: type[AnyTask], asked: FineTuning, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Options that follow from the gold where they are not given: what ratings can tell, the languages there are."""
    if task.name == "sentiment":
        labelled = find_columns(dict.fromkeys(rows[0]), asked.columns, rows).label is not None
        return {} if labelled else {"labels": list(RATED_LABELS)}
    translates = LANGUAGE in task.result.model_fields and "to" in task.options_model.model_fields
    if not translates or "to" in asked.options:
        return {}
    try:
        languages = {code for row in rows if (code := said_language(row.get(LANGUAGE)))}
    except ValueError as error:
        raise UsageError(f"{LANGUAGE} of the gold: {error}") from None
    if not languages:
        hint = f"""add a column {LANGUAGE}, or give --option 'to=["es"]'"""
        raise UsageError("it is not said which language the references are in", hint)
    return {"to": sorted(languages)}


def _teacher(task: AnyTask, model: Model, folder: Path) -> Teacher:
    """What is cut for a choice is cut in a job too; what is to be answered in words is not learnt from half a text."""
    context = min(model.context_tokens or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)
    chooses = all(isinstance(question.decoding, Choice) for question in first_questions(task))
    rules = PromptRules(str(folder), "", context, 0, truncate=chooses, guard=task.may_guard)
    tokenizer = load_tokenizer(folder)
    return Teacher(task, rules, tokenizer, end_token(folder, tokenizer), stop_tokens(folder, tokenizer))


def _refuse_thoughts(model: Model, folder: Path) -> None:
    """Gold has answers and no thoughts: a model that thinks first would unlearn to, and a job would look for an end."""
    if reasoning_parser_of(folder) is not None:
        raise UsageError(
            f"{model.name} thinks before it answers, and gold in words has no thoughts to teach: it would unlearn them",
            "train a model that does not think, such as qwen2.5-0.5b; labels and ratings can be learnt by any",
        )


def _balanced(settings: TrainingSettings, has_labels: bool) -> TrainingSettings:
    if not has_labels and settings.balance is not None:
        raise UsageError("there is no label a row to balance", "leave out --balance")
    balance = settings.balance if settings.balance is not None else _BALANCE
    return settings.model_copy(update={"balance": balance if has_labels else None})
