"""The contract tests of a task: what must hold for any of them, yours included. `textmill tasks test FILE` runs them.

Each function takes a task and raises `AssertionError`, with a message for the task's author, if it does not hold.
"""

import json
import math
import random
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jsonschema
import pyarrow as pa

from pipeline.decoding import Choice, Decoding, Json
from pipeline.elements import Answer, Case, Completion, Failure, RowRef, whole_answer
from pipeline.engines.scripted import made_up
from pipeline.errors import UsageError
from pipeline.outcomes import settle_case
from pipeline.prompts import Bare, Chat, Text, readable
from pipeline.rendering import PromptRenderer
from pipeline.task import AnyTask, Example
from schemas.arrow import arrow_schema
from schemas.envelope import ANSWER_COLUMN, ERROR_COLUMN, ID_COLUMN, META_COLUMN, REASONING_COLUMN, STATUS_COLUMN
from schemas.records import Record
from schemas.results import CheckedResult, Result

ENVELOPE = {ID_COLUMN, STATUS_COLUMN, ERROR_COLUMN, META_COLUMN, ANSWER_COLUMN, REASONING_COLUMN}


def says_who_it_is(task: AnyTask) -> None:
    """Name, version, summary, models, and a description for every option."""
    _hold(task.name.isidentifier(), "its name is not letters, digits and _")
    _hold(task.version >= 1, "its version is not 1 or more")
    _hold(task.summary.endswith("."), "its summary is not a sentence")
    _hold(bool(task.__doc__), "it has no docstring")
    _hold(issubclass(task.record, Record), "its record is not a schemas.records.Record")
    _hold(issubclass(task.result, Result), "its result is not a schemas.results.Result")
    undescribed = [name for name, f in type(task.options).model_fields.items() if not f.description]
    _hold(not undescribed, f"options without a description: {', '.join(undescribed)}")
    _hold(bool(task.examples()), "it has no examples")


def has_columns_of_its_own(task: AnyTask) -> None:
    """Every result field has an Arrow type and a name that the output does not need for itself."""
    names = set(arrow_schema(task.result).names)
    _hold(set(task.columns) <= names, f"columns that the result does not have: {set(task.columns) - names}")
    _hold(not names & ENVELOPE, f"columns that the output needs for itself: {names & ENVELOPE}")


def marks_row_text(task: AnyTask) -> None:
    """Row text is wrapped in `Text` and stands behind a beginning that is the same for every row."""
    for example in task.examples():
        for question in task.questions(example.record):
            _hold(isinstance(question.prompt, Chat if task.form == "chat" else Bare), f"no {task.form} prompt")
            segments = PromptRenderer(_template).render(question.prompt)
            constants = readable([s for s in segments if not isinstance(s, Text)])
            _hold(bool(segments) and not isinstance(segments[0], Text), "a prompt begins with row text")
            for value in _texts(example.record):
                _hold(value not in constants, f"row text is part of a constant: {value[:60]!r}")


def asks_the_same_twice(task: AnyTask) -> None:
    """Questions depend on the record and the answers only, have unique names, and come to an end in its rounds."""
    for example in task.examples():
        for reply in (_valid_answer, _invalid_answer):
            answers: dict[str, Answer] = {}
            for _ in range(task.rounds):
                questions = task.ask(example.record, answers)
                _hold(questions == task.ask(example.record, answers), "it does not ask the same way twice")
                names = [question.name for question in questions]
                _hold(len(set(names)) == len(names), f"two questions have one name: {names}")
                _hold(not set(names) & set(answers), f"it asks again under a used name: {names}")
                answers |= {q.name: reply(q.decoding) for q in questions}
            _hold(not task.ask(example.record, answers), f"it asks more than {task.rounds} rounds")


def reads_its_examples(task: AnyTask) -> None:
    """The answers of the examples fit their decoding, and parse to results that survive Arrow."""
    for example in task.examples():
        answers = example_answers(task, example)
        for index in range(len(task.branches(example.record))):
            row = task.parse(example.record, index, answers).model_dump()
            _hold(task.result.model_validate(row).model_dump() == row, "a result is not what its model says")
            table = pa.Table.from_pylist([row], arrow_schema(task.result))
            _hold(table.to_pylist() == [_as_arrow(row)], f"a result does not survive Arrow: {row}")
            if isinstance(result := task.parse(example.record, index, answers), CheckedResult):
                unknown = {check.name for check in result.checks} - set(task.checks)
                _hold(not unknown, f"checks that the task does not list: {unknown}")


def teaches_what_it_reads(task: AnyTask) -> None:
    """What a model is to be trained on for a result is read as that result (tasks with `taught`)."""
    for example in task.examples():
        answers = example_answers(task, example)
        names = {question.name for question in task.questions(example.record)}
        for index in range(len(task.branches(example.record))):
            gold = _taught(task, task.parse(example.record, index, answers))
            wanted = task.wanted_answers(example.record, index, gold)
            _hold(set(wanted) <= names, f"it wants answers to what it does not ask: {set(wanted) - names}")
            again = {**answers, **{name: whole_answer(text) for name, text in wanted.items()}}
            read = _taught(task, task.parse(example.record, index, again))
            _hold(read == gold, f"what it wants is read as {read}, not as {gold}")


def raises_row_errors_only(task: AnyTask, rounds: int = 60, seed: int = 0) -> None:
    """Whatever a model answers is a valid result or a `RowError`, and every result of a row is settled once."""
    draw = random.Random(seed)  # noqa: S311 - the draw is not a secret
    for number in range(rounds):
        example = task.examples()[number % len(task.examples())]
        answers: dict[str, Answer] = {}
        for _ in range(task.rounds):
            answers |= {q.name: _any_answer(q.decoding, draw) for q in task.ask(example.record, answers)}
        outcomes = settle_case(task, Case(RowRef(0, 0), example.record, answers), frozenset())
        _hold([o.branch for o in outcomes] == list(range(len(task.branches(example.record)))), "a result is missing")
        for outcome in outcomes:
            if outcome.failure is None:
                task.result.model_validate(outcome.values)


def with_example_options(task: type[AnyTask]) -> Iterator[tuple[str, AnyTask]]:
    """The task in each form with each set of its example options that the form takes; the first form takes them all."""
    for form in task.forms:
        for about, options in task.example_options().items():
            try:
                made = task(options, form)
            except UsageError:
                if form == task.forms[0]:
                    raise
                continue
            yield f"{form}, {about}", made


CHECKS: Mapping[str, Callable[[AnyTask], None]] = {
    "says who it is": says_who_it_is,
    "has columns of its own": has_columns_of_its_own,
    "marks row text": marks_row_text,
    "asks the same way twice, and comes to an end": asks_the_same_twice,
    "reads its examples": reads_its_examples,
    "teaches what it reads": teaches_what_it_reads,
    "raises nothing but RowError, whatever the answer": raises_row_errors_only,
}
"""All of them, by what they say."""


def example_answers(task: AnyTask, example: Example[Any]) -> dict[str, Answer]:
    """The answers of an example, as an engine would give them."""
    answers: dict[str, Answer] = {}
    while questions := task.ask(example.record, answers):
        for question in questions:
            _hold(question.name in example.answers, f"an example has no (good) answer to {question.name!r}")
            text = example.answers[question.name]
            if isinstance(question.decoding, Json):
                jsonschema.validate(json.loads(text), json.loads(question.decoding.schema))
            answers[question.name] = _completion(text, question.decoding)
    return answers


def _taught(task: AnyTask, result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.model_dump().items() if name in task.taught}


def _hold(what: bool, otherwise: str) -> None:
    if not what:
        raise AssertionError(otherwise)


def _template(messages: Sequence[Mapping[str, str]], thinking: bool) -> str:
    return "".join(f"<{m['role']}>{m['content']}" for m in messages)


def _texts(value: object) -> Iterator[str]:
    """The strings in a record that are long enough not to occur in a prompt by chance."""
    if isinstance(value, Record):
        value = value.model_dump()
    if isinstance(value, str) and len(value) > 12:
        yield value
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        yield from _texts(part)


def _as_arrow(value: object) -> object:
    """A dumped model as Arrow gives it back: maps come as lists of pairs."""
    if isinstance(value, dict):
        return {name: _as_arrow(part) for name, part in value.items()}
    return [_as_arrow(part) for part in value] if isinstance(value, (list, tuple)) else value


def _completion(text: str, decoding: Decoding, logprobs: tuple[float, ...] | None = None) -> Completion:
    if isinstance(decoding, Choice) and logprobs is None:
        _hold(text in decoding.labels, f"the answer {text!r} is none of {decoding.labels}")
        logprobs = tuple(math.log(0.7 if label == text else 0.1) for label in decoding.labels)
    return Completion(text, logprobs, 10, 0, 1, "stop", "run")


def _valid_answer(decoding: Decoding) -> Completion:
    match decoding:
        case Choice(labels=labels):
            return _completion(labels[0], decoding)
        case Json(schema=schema):
            return _completion(json.dumps(made_up(json.loads(schema), "text")), decoding)
        case _:
            return _completion("text", decoding)


def _invalid_answer(decoding: Decoding) -> Answer:
    if isinstance(decoding, Choice):
        return Failure("request_rejected", "no")  # type: ignore[arg-type]
    return _completion("", decoding)


def _any_answer(decoding: Decoding, draw: random.Random) -> Answer:
    text = "".join(draw.choices(string.printable + "äß🙂\x00\ud800", k=draw.randrange(40)))
    kind = draw.randrange(4)
    if kind == 0:
        return _invalid_answer(decoding)
    if kind == 1:
        return _valid_answer(decoding)
    if isinstance(decoding, Choice):
        odd = draw.choice([None, (math.nan,) * len(decoding.labels), (0.0,), (-math.inf,) * len(decoding.labels)])
        return Completion(text, odd, 1, 0, 1, "stop", "run")
    if isinstance(decoding, Json) and kind == 2:
        text = json.dumps(made_up(json.loads(decoding.schema), text))
    return Completion(text, None, 1, 0, 1, "length", "run")
