"""What a fine-tuning is asked for, and all that is settled before a model is loaded."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.adapting.adapter_folder import refuse_other_folder
from jobs.adapting.gold_rows import read_gold_rows
from jobs.adapting.lessons import GoldRow, Teacher, gold_digest, read_rows, split
from jobs.adapting.targets import YES_NO, GoldColumns, find_columns
from jobs.evaluation.ratings import RATED_LABELS
from jobs.inquiry import make_task
from jobs.tasks import find_task
from jobs.terminal import Terminal
from pipeline.adapters import prompt_digests
from pipeline.columns import choose_column, choose_text_column
from pipeline.decoding import Choice
from pipeline.errors import UsageError
from pipeline.models import DEFAULT_CONTEXT_TOKENS, Model, resolve_model
from pipeline.requests import Prompter, PromptRules
from pipeline.task import AnyTask
from pipeline.tokens import load_tokenizer
from schemas.adapter import TrainingSettings


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
class Lectures:
    """Everything that is settled before a model is loaded."""

    asked: FineTuning
    model: Model
    folder: Path
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
    columns = find_columns(dict.fromkeys(rows[0]), asked.columns, rows)
    options = {**task_class.adapted, **asked.options}
    if task_class.name == "sentiment" and columns.label is None:
        options.setdefault("labels", list(RATED_LABELS))
    model = resolve_model(asked.model, None, terminal.say)
    if model.folder is None:
        raise UsageError("there is no model to train")
    task = make_task(task_class, options, asked.prompt_form, model)
    _refuse_untold(task)
    context = min(model.context_tokens or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)
    rules = PromptRules(str(model.folder), "", context, 0, truncate=True, guard=task.may_guard)
    teacher = Teacher(task, rules, load_tokenizer(model.folder), _end_token(model.folder))
    found, left_out = read_rows(task, teacher, rows, columns, _fields(task_class, rows, asked.text))
    if not found:
        reasons = ", ".join(f"{count:,} have {reason}" for reason, count in left_out.items())
        raise UsageError(f"no row of the gold can be learnt from: {reasons}", f"the gold is {columns.about}")
    parts = split(found, asked.settings.held_out, asked.settings.seed)
    return Lectures(asked, model, model.folder, task, options, teacher, columns, parts, left_out)


def _refuse_untold(task: AnyTask) -> None:
    """Gold says one answer a row, or which labels of several apply."""
    asked = task.questions(task.examples()[0].record)
    whether = any(isinstance(q.decoding, Choice) and q.decoding.labels == YES_NO for q in asked)
    if not whether and all(question.name != "answer" for question in asked):
        raise UsageError(
            f"finetune cannot tell from gold what the several answers of {task.name} should be",
            "it can for sentiment, classify, extract, and tasks of your own with one question",
        )


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
