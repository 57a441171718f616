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
from jobs.adapting.targets import Gold, LeftOut, Target
from pipeline.decoding import Choice
from pipeline.elements import Question
from pipeline.engines.vllm_engine import label_ids
from pipeline.errors import RowError, UsageError
from pipeline.prompts import Segment, Text
from pipeline.requests import Prompter, PromptRules
from pipeline.task import AnyTask
from pipeline.tokens import ModelTokenizer, encode_all
from schemas.records import Record


@dataclass(frozen=True)
class GoldRow:
    """A row of gold that can be learnt from.

    Attributes:
        key: its text, or of what may do without one, such as briefs, all of it; rows that have it in common are never
            parted.
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
        stops: others that an engine stops at.
    """

    task: AnyTask
    rules: PromptRules
    tokenizer: ModelTokenizer
    end: int
    stops: frozenset[int] = frozenset()

    def lessons(self, rows: Sequence[GoldRow]) -> list[Lesson]:
        """Those of all rows, in order, a row's questions one after the other; each counts by its answer's tokens."""
        prompter = Prompter(self.rules)
        return [
            self._lesson(prompter, question, gold.targets[question.name], number)
            for number, gold in enumerate(rows)
            for question in self.task.questions(gold.record)
            if question.name in gold.targets
        ]

    def refuse_long(self, prompter: Prompter, record: Record, targets: Mapping[str, Target]) -> None:
        """See that what is to be read and answered fits, as it must in a job.

        Raises:
            LeftOut: if it does not.
        """
        for question in self.task.questions(record):
            if (target := targets.get(question.name)) is None:
                continue
            try:
                prompter.request(question)
            except RowError:
                raise LeftOut("a prompt longer than the context") from None
            if isinstance(target, str) and len(self._answer(target)) > question.decoding.max_tokens:
                raise LeftOut("an answer longer than a job lets it be")

    def _lesson(self, prompter: Prompter, question: Question, target: Target, row: int) -> Lesson:
        request = prompter.request(question).request
        prompt = tuple(encode_all(self.tokenizer, request.segments))
        if isinstance(question.decoding, Choice):
            shares = target if not isinstance(target, str) else {target: 1.0}
            wanted = tuple(float(shares.get(label, 0.0)) for label in question.decoding.labels)
            return Lesson(prompt, labels=tuple(label_ids(question.decoding, self.tokenizer)), target=wanted, row=row)
        answer = self._answer(str(target))
        return Lesson(prompt, answer=answer, weight=len(answer), row=row)

    def _answer(self, text: str) -> tuple[int, ...]:
        """The tokens of an answer in words: none of its characters is a control token, and the end is one."""
        return (*self.tokenizer.encode(Text(text)), self.end)


def read_rows(
    teacher: Teacher, rows: Sequence[Mapping[str, Any]], gold: Gold, fields: Mapping[str, str]
) -> tuple[list[GoldRow], dict[str, int]]:
    """The rows that can be learnt from, and how many were left out for having what.

    Args:
        fields: record field → the gold's column.
    """
    prompter, found, left = Prompter(teacher.rules), [], Counter[str]()
    for row in rows:
        try:
            found.append(_read_row(teacher, prompter, row, gold, fields))
        except LeftOut as reason:
            left[str(reason)] += 1
    return found, dict(left)


def _read_row(
    teacher: Teacher, prompter: Prompter, row: Mapping[str, Any], gold: Gold, fields: Mapping[str, str]
) -> GoldRow:
    task = teacher.task
    try:
        record = task.record.model_validate(
            {field: row[column] for field, column in fields.items() if row[column] is not None}
        )
        task.check(record)
    except (ValidationError, RowError):
        raise LeftOut("no valid record") from None
    targets = gold.targets(task, record, row)
    if not targets:
        raise LeftOut("no answer")
    teacher.refuse_long(prompter, record, targets)
    return GoldRow(_key(record), record, targets, gold.gold_class(targets, row), gold.mean_rating(row))


def _key(record: Record) -> str:
    values = record.model_dump()
    name, info = next(iter(type(record).model_fields.items()))
    return str(_stripped(values[name] if info.is_required() else values))


def _stripped(value: Any) -> Any:
    """Without white space around texts."""
    if isinstance(value, Mapping):
        return {name: _stripped(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_stripped(part) for part in value]
    return value.strip() if isinstance(value, str) else value


def weighted(lessons: Sequence[Lesson], rows: Sequence[GoldRow], balance: float) -> list[Lesson]:
    """The lessons, rare labels counting more: by (mean frequency / own frequency) ** balance."""
    counts = Counter(gold.label for gold in rows)
    mean = len(rows) / len(counts)
    by_label = {label: (mean / count) ** balance for label, count in counts.items()}
    return [replace(lesson, weight=lesson.weight * by_label[rows[lesson.row].label]) for lesson in lessons]


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


def unseen(teacher: Teacher, training: Sequence[GoldRow], rows: Sequence[GoldRow]) -> tuple[list[GoldRow], int]:
    """The rows without the answers to prompts that are trained on, and how many these were: texts share lines."""
    prompter = Prompter(teacher.rules)
    seen = {prompt for gold in training for prompt in _prompts(teacher, prompter, gold).values()}
    found, dropped = [], 0
    for gold in rows:
        prompts = _prompts(teacher, prompter, gold)
        targets = {name: target for name, target in gold.targets.items() if prompts[name] not in seen}
        dropped += len(gold.targets) - len(targets)
        if targets:
            found.append(replace(gold, targets=targets))
    return found, dropped


def _prompts(teacher: Teacher, prompter: Prompter, gold: GoldRow) -> dict[str, tuple[Segment, ...]]:
    questions = [q for q in teacher.task.questions(gold.record) if q.name in gold.targets]
    return {question.name: prompter.request(question).request.segments for question in questions}


def gold_digest(rows: Sequence[GoldRow]) -> str:
    """sha256 over texts and answers, in order."""
    digest = hashlib.sha256()
    for gold in rows:
        digest.update(json.dumps([gold.record.model_dump(), dict(gold.targets)], sort_keys=True, default=str).encode())
    return digest.hexdigest()
