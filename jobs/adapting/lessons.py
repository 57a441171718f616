"""From gold to lessons: the very prompts and answer tokens that a job has, by the same code."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from jobs.adapting.packing import Lesson
from jobs.adapting.targets import YES_NO, GoldColumns, Target
from pipeline.decoding import Choice
from pipeline.elements import Question
from pipeline.engines.vllm_engine import label_ids
from pipeline.errors import RowError, UsageError
from pipeline.prompts import Text
from pipeline.requests import Prompter, PromptRules
from pipeline.task import AnyTask
from pipeline.tokens import ModelTokenizer, encode_all
from schemas.records import Record


@dataclass(frozen=True)
class GoldRow:
    """A row of gold that can be learnt from.

    Attributes:
        key: its text; rows that have it in common are never parted.
        record: what the task reads.
        targets: question name → answer.
        label: its one label, of a choice; else empty.
        rating: by people; NaN without.
    """

    key: str
    record: Record
    targets: Mapping[str, Target]
    label: str
    rating: float


@dataclass(frozen=True)
class Teacher:
    """Makes lessons of gold rows for one task and model.

    Args:
        task: with the options of the run.
        rules: how prompts are rendered, with the model's tokenizer.
        tokenizer: the same.
        end: the token that ends an answer in words.
    """

    task: AnyTask
    rules: PromptRules
    tokenizer: ModelTokenizer
    end: int

    def lessons(self, rows: Sequence[GoldRow]) -> list[Lesson]:
        """Those of all rows, in order, a row's questions one after the other; unweighted."""
        prompter = Prompter(self.rules)
        return [
            self._lesson(prompter, question, gold.targets[question.name], number)
            for number, gold in enumerate(rows)
            for question in self.task.questions(gold.record)
            if question.name in gold.targets
        ]

    def _lesson(self, prompter: Prompter, question: Question, target: Target, row: int) -> Lesson:
        request, _ = prompter.request(question)
        prompt = tuple(encode_all(self.tokenizer, request.segments))
        if isinstance(question.decoding, Choice):
            shares = target if not isinstance(target, str) else {target: 1.0}
            wanted = tuple(float(shares.get(label, 0.0)) for label in question.decoding.labels)
            return Lesson(prompt, labels=tuple(label_ids(question.decoding, self.tokenizer)), target=wanted, row=row)
        return Lesson(prompt, answer=(*self.tokenizer.encode(Text(str(target))), self.end), row=row)


def read_rows(
    task: AnyTask, teacher: Teacher, rows: Sequence[Mapping[str, Any]], columns: GoldColumns, fields: Mapping[str, str]
) -> tuple[list[GoldRow], dict[str, int]]:
    """The rows that can be learnt from, and how many were left out for which reason.

    Args:
        fields: record field → the gold's column.
    """
    prompter, found, left = Prompter(teacher.rules), [], Counter[str]()
    for row in rows:
        try:
            record = task.record.model_validate(
                {field: row[column] for field, column in fields.items() if row[column] is not None}
            )
            task.check(record)
            targets = _targets(list(task.questions(record)), columns, row, prompter)
        except (ValidationError, RowError):
            left["not a valid row, or too long"] += 1
            continue
        except LookupError:
            left["a label that the task does not have"] += 1
            continue
        except ValueError:
            left["a rating that is no number"] += 1
            continue
        if not targets:
            left["no answer"] += 1
            continue
        first = next(iter(targets.values()))
        label = "" if isinstance(first, str) or len(targets) > 1 else columns.gold_class(first, row)
        text = str(next(iter(record.model_dump().values())))
        found.append(GoldRow(text, record, targets, label, columns.mean_rating(row)))
    return found, dict(left)


def _targets(
    questions: Sequence[Question], columns: GoldColumns, row: Mapping[str, Any], prompter: Prompter
) -> dict[str, Target]:
    """The answers that a row has; its prompts are made to see that they can be.

    Raises:
        LookupError: for a label that the task does not have.
        ValueError: for a rating that is no number.
        RowError: for a prompt that is too long.
    """
    targets = {q.name: target for q in questions if (target := columns.target(q, row)) is not None}
    asked = [question for question in questions if question.name in targets]
    whether = {q.name for q in asked if isinstance(q.decoding, Choice) and q.decoding.labels == YES_NO}
    if whether and (columns.listed(row) or set()) - whether:
        raise LookupError(columns.label)
    for question in asked:
        if isinstance(question.decoding, Choice) and not set(targets[question.name]) <= set(question.decoding.labels):
            raise LookupError(question.name)
        prompter.request(question)
    return targets


def weighted(lessons: Sequence[Lesson], rows: Sequence[GoldRow], balance: float) -> list[Lesson]:
    """The lessons, rare labels counting more: (mean frequency / own frequency) ** balance."""
    counts = Counter(gold.label for gold in rows)
    mean = len(rows) / len(counts)
    return [replace(lesson, weight=(mean / counts[rows[lesson.row].label]) ** balance) for lesson in lessons]


def split(rows: Sequence[GoldRow], held_out: float, seed: int) -> tuple[list[GoldRow], list[GoldRow], list[GoldRow]]:
    """Rows to train on, to stop by, to report on; rows of one text fall into one part.

    Raises:
        UsageError: if a part would be empty.
    """
    keys = sorted({gold.key for gold in rows})
    order = np.random.default_rng(seed).permutation(len(keys))
    half = max(1, round(len(keys) * held_out / 2))
    part = {keys[place]: 1 if i < half else 2 if i < 2 * half else 0 for i, place in enumerate(order)}
    parts: tuple[list[GoldRow], ...] = ([], [], [])
    for gold in rows:
        parts[part[gold.key]].append(gold)
    if not all(parts):
        raise UsageError(f"{len(rows)} rows of gold are too few to train on")
    return parts[0], parts[1], parts[2]


def gold_digest(rows: Sequence[GoldRow]) -> str:
    """sha256 over texts and answers, in order."""
    digest = hashlib.sha256()
    for gold in rows:
        digest.update(json.dumps([gold.record.model_dump(), dict(gold.targets)], sort_keys=True, default=str).encode())
    return digest.hexdigest()
