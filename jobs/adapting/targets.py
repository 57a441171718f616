"""What a row of gold says the answers should be, where it says so by labels, ratings, or the answers themselves."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.config import nearest
from jobs.evaluation.ratings import RATED_LABELS
from jobs.evaluation.settings import IN_A_FILE, ROLES
from jobs.gold_values import plain
from pipeline.decoding import Choice, Json
from pipeline.elements import Question, whole_answer
from pipeline.errors import RowError, UsageError
from pipeline.task import AnyTask
from schemas.records import Record

ANSWERS = ("gold_answer", "answer")
"""Columns of answers by these names need not be named."""
YES_NO = ("yes", "no")
"""Labels of a question whether one label of several applies."""

Target = str | Mapping[str, float]
"""An answer in words, or the share of each label."""


class LeftOut(Exception):
    """A row of gold cannot be learnt from: it has what the message names, in the same words for all of its kind."""


class Gold(Protocol):
    """Where the right answers are in a file of gold."""

    @property
    def about(self) -> str:
        """In words."""
        ...

    def targets(self, task: AnyTask, record: Record, row: Mapping[str, Any]) -> dict[str, Target]:
        """The answers that a row has, by the names of the task's questions.

        Raises:
            LeftOut: if they are of no use.
        """
        ...

    def gold_class(self, targets: Mapping[str, Target], row: Mapping[str, Any]) -> str:
        """The one label of a row; empty where there is no such thing."""
        ...

    def mean_rating(self, row: Mapping[str, Any]) -> float:
        """By people; NaN where the row has none."""
        ...


@dataclass(frozen=True)
class GoldColumns:
    """Where the gold's answers are.

    Attributes:
        label, rating, ratings, answer: columns; None where there is none.
        end: of the rating scale -end … end, whose middle is neutral.
        neutral_within: a mean rating nearer to the middle is neutral.
    """

    label: str | None
    rating: str | None
    ratings: str | None
    answer: str | None
    end: float = 1.0
    neutral_within: float = 0.5

    @property
    def about(self) -> str:
        """In words."""
        if self.label or self.answer:
            return f"column {self.label or self.answer}"
        return f"ratings in {self.ratings or self.rating}, on {-self.end:g} … {self.end:g}"

    def targets(self, task: AnyTask, record: Record, row: Mapping[str, Any]) -> dict[str, Target]:
        """The answers that a row has.

        Raises:
            LeftOut: for a label that the task does not have, or a rating that is no number.
        """
        questions = task.questions(record)
        try:
            found = {q.name: target for q in questions if (target := self.target(q, row)) is not None}
        except ValueError:
            raise LeftOut("a rating that is no number") from None
        choices = {q.name: q.decoding.labels for q in questions if q.name in found and isinstance(q.decoding, Choice)}
        whether = {name for name, labels in choices.items() if labels == YES_NO}
        strange = whether and (self.listed(row) or set()) - whether
        if strange or any(not set(found[name]) <= set(labels) for name, labels in choices.items()):
            raise LeftOut("a label that the task does not have")
        if len(questions) == 1 and found and isinstance(questions[0].decoding, Json):
            _refuse_unread(task, record, found)
        return found

    def target(self, question: Question, row: Mapping[str, Any]) -> Target | None:
        """The answer to a question; None where the row does not say.

        Raises:
            ValueError: for a rating that is no number.
        """
        decoding = question.decoding
        if not isinstance(decoding, Choice):
            answer = row.get(self.answer) if self.answer else None
            if answer in (None, "") or question.name != "answer":
                return None
            return answer if isinstance(answer, str) else json.dumps(plain(answer), ensure_ascii=False, default=str)
        if question.name != "answer":
            return self._whether(question.name, decoding, row)
        if self.label is not None:
            label = row.get(self.label)
            label = label.strip() if isinstance(label, str) else label
            return None if label in (None, "") else {str(label): 1.0}
        return self._of_ratings(row)

    def listed(self, row: Mapping[str, Any]) -> set[str] | None:
        """Which labels of several apply, an empty list: none; None where the row does not say."""
        value = row.get(self.label) if self.label else None
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        parts = value if isinstance(value, list) else str(value).split(";")
        return {str(part).strip() for part in parts} - {""}

    def _whether(self, name: str, decoding: Choice, row: Mapping[str, Any]) -> Target | None:
        """A yes-or-no question about one label of several: the gold lists those that apply."""
        listed = self.listed(row) if decoding.labels == YES_NO else None
        return None if listed is None else {"yes" if name in listed else "no": 1.0}

    def _of_ratings(self, row: Mapping[str, Any]) -> Target | None:
        """Shares of positive and negative: a rating half way to the scale's end, or beyond, counts whole."""
        given = row.get(self.ratings) if self.ratings else None
        if given in (None, []):
            given = row.get(self.rating) if self.rating else None
        if given is None:
            return None
        ratings = [_number(rating) for rating in (given if isinstance(given, list) else [given])]
        if not all(map(math.isfinite, ratings)):
            raise ValueError("a rating is no number")
        strength = [max(-1.0, min(1.0, 2 * r / self.end)) for r in ratings]
        positive = sum(max(0.0, s) for s in strength) / len(strength)
        negative = sum(max(0.0, -s) for s in strength) / len(strength)
        return dict(zip(RATED_LABELS, (positive, 1 - positive - negative, negative), strict=True))

    def mean_rating(self, row: Mapping[str, Any]) -> float:
        """By people; NaN where the row has none, or one that is no number."""
        return _number(row.get(self.rating)) if self.rating else math.nan

    def gold_class(self, targets: Mapping[str, Target], row: Mapping[str, Any]) -> str:
        """The one label of a row, as `textmill evaluate` has it; empty for words and for several labels."""
        (target, *others) = targets.values()
        if others or isinstance(target, str):
            return ""
        mean = self.mean_rating(row)
        if self.label is None and math.isfinite(mean):
            return "neutral" if abs(mean) < self.neutral_within else "positive" if mean > 0 else "negative"
        return max(target, key=lambda name: float(target[name]))


def find_columns(names: Mapping[str, Any], given: Mapping[str, str | None], rows: list[dict[str, Any]]) -> GoldColumns:
    """The gold's columns, as they are said or by their names.

    Args:
        names: the file's columns.
        given: role → column that the user named.

    Raises:
        UsageError: if there are none, or not the one named, or ratings are all there is and their middle is unknown.
    """
    found: dict[str, str | None] = {}
    for role in ("label", "rating", "ratings", "answer"):
        if (column := given.get(role)) is not None:
            if column not in names:
                raise UsageError(f"the gold has no column {column!r}", nearest(column, names))
            found[role] = column
        else:
            known = ANSWERS if role == "answer" else (*ROLES[role], *IN_A_FILE[role])
            found[role] = next((name for name in known if name in names), None)
    if not any(found.values()):
        hint = f"name it with --label, --rating or --answer; there is: {', '.join(names)}"
        raise UsageError("the gold has no answers to learn from", hint)
    given_ratings = [number for row in rows for number in _ratings_in(row, found["rating"], found["ratings"])]
    if not (found["label"] or found["answer"]) and given_ratings and min(given_ratings) >= 0:
        hint = "ratings to learn from are on -n … n: subtract the middle of their scale"
        raise UsageError("no rating is below 0: where is neutral?", hint)
    end = float(max([1, *(math.ceil(abs(rating)) for rating in given_ratings)]))
    return GoldColumns(found["label"], found["rating"], found["ratings"], found["answer"], end)


def _refuse_unread(task: AnyTask, record: Record, answers: Mapping[str, Any]) -> None:
    try:
        task.parse(record, 0, {name: whole_answer(text) for name, text in answers.items()})
    except RowError:
        raise LeftOut("an answer that a job would refuse") from None


def _ratings_in(row: Mapping[str, Any], rating: str | None, ratings: str | None) -> Iterator[float]:
    """The numbers among a row's ratings, mean and single ones."""
    singles = row.get(ratings) if ratings else None
    for value in (row.get(rating) if rating else None, *(singles if isinstance(singles, list) else [singles])):
        if math.isfinite(number := _number(value)):
            yield number


def _number(value: Any) -> float:
    """NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
