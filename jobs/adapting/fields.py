"""What a row of gold says the answers should be, where it has the fields of a right result: a reference, a reply.

The columns are those that `textmill evaluate` compares results with; which answers they come to, the task knows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jobs.adapting.targets import ANSWERS, YES_NO, Gold, LeftOut, Target, find_columns
from jobs.config import nearest
from jobs.evaluation.gold import GOLD_PREFIX
from jobs.evaluation.settings import IN_A_FILE, ROLES
from pipeline.columns import is_text
from pipeline.decoding import Choice, Json
from pipeline.errors import RowError, UsageError
from pipeline.task import AnyTask
from pipeline.text.languages import variety_code
from schemas.records import Record

LANGUAGE = "target_language"
"""Says which language a row's reference is in."""
_VARIANT = "variant"
"""Tells apart texts that are asked for with the same prompt."""
_TRANSLATION, _PLACE = "translation", "{language}"


@dataclass(frozen=True)
class GoldFields:
    """Columns with the fields of right results.

    Attributes:
        columns: field → column; `{language}` in it is a result's target language.
        answer: column with all fields as JSON, instead.
    """

    columns: Mapping[str, str]
    answer: str | None = None

    @property
    def about(self) -> str:
        """In words."""
        names = [self.answer] if self.answer else list(self.columns.values())
        return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"

    def targets(self, task: AnyTask, record: Record, row: Mapping[str, Any]) -> dict[str, Target]:
        """The answers that the row's results would be parsed from.

        Raises:
            LeftOut: if they are no answers of this task, or to what it does not ask.
        """
        branches = task.branches(record)
        found: dict[str, Target] = {}
        wrong: RowError | None = None
        for index in self._asked(branches, row):
            language = str(branches[index].get(LANGUAGE, ""))
            try:
                found |= task.wanted_answers(record, index, self._values(row, language))
            except RowError as error:
                wrong = error
        if wrong is not None and not found:
            raise LeftOut(wrong.message)
        return found

    def _values(self, row: Mapping[str, Any], language: str) -> dict[str, Any]:
        if self.answer is None:
            return {field: row.get(column.replace(_PLACE, language)) for field, column in self.columns.items()}
        value = row.get(self.answer)
        if value in (None, ""):
            raise LeftOut("no answer")
        try:
            found = json.loads(value) if isinstance(value, str | bytes) else value
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise LeftOut("an answer that is no JSON object")
        return found

    def _asked(self, branches: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> list[int]:
        """The results that a row is the gold of; of a brief's variants the first, where none is named."""
        asked = [i for i, told in enumerate(branches) if all(_is(name, row.get(name), v) for name, v in told.items())]
        if not asked:
            raise LeftOut(f"another {' and '.join(branches[0])} than asked for")
        unsaid = [name for name in branches[0] if not _is_said(row.get(name))]
        if len(asked) == 1 or any(_PLACE in column for column in self.columns.values()):
            return asked
        if unsaid != [_VARIANT]:
            raise LeftOut(f"no {' and '.join(unsaid)}")
        return asked[:1]

    def gold_class(self, targets: Mapping[str, Target], row: Mapping[str, Any]) -> str:
        """None: these are words."""
        return ""

    def mean_rating(self, row: Mapping[str, Any]) -> float:
        """None."""
        return float("nan")


def said_language(value: Any) -> str | None:
    """The code that a job has for a row's language, given as a code or a name; None where it is not said.

    Raises:
        ValueError: for a language that is not known.
    """
    return variety_code(str(value)) if _is_said(value) else None


def _is_said(value: Any) -> bool:
    return value is not None and bool(str(value).strip())


def _is(name: str, value: Any, wanted: Any) -> bool:
    """Whether a file's value is the one of a result, however the file writes it, or is not said."""
    if not _is_said(value):
        return True
    try:
        if name == LANGUAGE:
            return said_language(value) == str(wanted)
        return bool(float(value) == wanted) if isinstance(wanted, int) else str(value).strip() == str(wanted)
    except (TypeError, ValueError):
        return False


def find_gold(
    task: AnyTask, given: Mapping[str, str | None], rows: list[dict[str, Any]], inputs: Sequence[str]
) -> Gold:
    """The gold's columns, as they are said or by their names.

    Args:
        given: role → column that the user named.
        inputs: columns that the task reads.

    Raises:
        UsageError: if there are none, or not the one named, or they cannot be what this task learns from.
    """
    names = dict.fromkeys(rows[0])
    asked = [question for example in task.examples() for question in task.questions(example.record)]
    asks_one = any(question.name == "answer" for question in asked)
    # A bare `answer` is what dead letters have: just what a job refused.
    answer = given.get("answer") or (ANSWERS[0] if task.taught and ANSWERS[0] in names else None)
    has_answers = asks_one and answer is not None
    whether = any(isinstance(q.decoding, Choice) and q.decoding.labels == YES_NO for q in asked)
    if task.taught and not has_answers:
        found = _find_fields(task, given, names, inputs)
        _refuse_other_than_text(task, found, rows)
        return found
    if not (asks_one or whether):
        hint = "it can for the tasks of Textmill, for tasks of your own with one question, and with `wanted_answers`"
        raise UsageError(f"finetune cannot tell from gold what the several answers of {task.name} should be", hint)
    _refuse_roles(task, given, "reference")
    if task.taught and all(isinstance(question.decoding, Json) for question in asked):
        _refuse_roles(task, given, "label", "rating", "ratings")
        if answer not in names:
            raise UsageError(f"the gold has no column {answer!r}", nearest(str(answer), names))
        return GoldFields({}, answer)
    return find_columns(names, {**given, "answer": answer}, rows)


def _find_fields(
    task: AnyTask, given: Mapping[str, str | None], names: Mapping[str, Any], inputs: Sequence[str]
) -> GoldFields:
    if {_TRANSLATION, LANGUAGE} <= set(task.result.model_fields):
        _refuse_roles(task, given, "label", "rating", "ratings", "answer")
        return GoldFields({_TRANSLATION: _reference(task, given.get("reference"), names)})
    _refuse_roles(task, given, "label", "rating", "ratings", "reference", "answer")
    found = {}
    for field in task.taught:
        known = (f"{GOLD_PREFIX}{field}", *([] if field in inputs else [field]))
        if (column := next((name for name in known if name in names), None)) is not None:
            found[field] = column
    if not found:
        wanted = ", ".join(f"{GOLD_PREFIX}{field}" for field in task.taught)
        raise UsageError("the gold has no answers to learn from", f"{task.name} learns from {wanted}")
    return GoldFields(found)


def _refuse_other_than_text(task: AnyTask, gold: GoldFields, rows: list[dict[str, Any]]) -> None:
    """A field of results that is text has gold that is."""
    languages = [str(told.get(LANGUAGE, "")) for told in task.branches(None)]
    for field, column in gold.columns.items():
        info = task.result.model_fields.get(field)
        if info is None or info.annotation not in (str, str | None):
            continue
        for name in dict.fromkeys(column.replace(_PLACE, language) for language in languages):
            kind = pa.array([row.get(name) for row in rows]).type
            if not is_text(kind):
                raise UsageError(f"the gold's column {name!r} holds {kind}, not text, which {field} is")


def _reference(task: AnyTask, given: str | None, names: Mapping[str, Any]) -> str:
    """The column of references; a result's language must tell which of them is its own."""
    known = (*ROLES["reference"], *IN_A_FILE["reference"])
    column = given or next((name for name in known if name in names), None)
    if column is None:
        hint = f"name their column with --reference; there is: {', '.join(names)}"
        raise UsageError("the gold has no references to learn from", hint)
    languages = [str(told[LANGUAGE]) for told in task.branches(None)]
    for name in dict.fromkeys(column.replace(_PLACE, language) for language in languages):
        if name not in names:
            raise UsageError(f"the gold has no column {name!r}", nearest(name, names))
    if len(languages) > 1 and _PLACE not in column and LANGUAGE not in names:
        hint = f"add a column {LANGUAGE}, or give --reference 'reference_{_PLACE}'"
        raise UsageError(f"it is not said which of {', '.join(languages)} the references are in", hint)
    return column


def _refuse_roles(task: AnyTask, given: Mapping[str, str | None], *roles: str) -> None:
    for role in roles:
        if given.get(role) is not None:
            raise UsageError(f"{task.name} does not learn from a column of the role {role}", f"leave out --{role}")
