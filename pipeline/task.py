"""The task contract: what one file says to make a job.

A task is a record model, a result model, questions to ask about each row, and how to read the answers. The columns, the
CLI options, the output schema and the contract tests all come from it. Most tasks ask one question a row: they derive
from `SimpleTask`. `Task` is for those that ask several, or have several results a row.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pipeline.decoding import Choice, Decoding
from pipeline.elements import Answer, Answers, Completion, Failure, Judgement, Question
from pipeline.errors import RowError
from pipeline.prompts import Chat, Message, Prompt, Text
from schemas.calibration import Calibration
from schemas.envelope import ErrorClass
from schemas.records import Record
from schemas.results import Check, CheckedResult, Result

AGAIN = "/again"
"""Ends the name of a question that is asked once more."""
_MORE_PENALTY = 0.3
"""On what an answer repeats, when one before it ran on."""


class Options(BaseModel):
    """Base of a task's own options: its fields become CLI flags and config keys, with their descriptions as help.

    A field's flag is its name, or `json_schema_extra={"flag": "--to"}`; lists and tuples are repeated flags.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class RetryOptions(Options):
    """Options of a task whose answers can be wrong in a way that the model can be told."""

    retry: bool = Field(True, description="Ask once more, saying what is wrong, when an answer fails a check.")


RecordT = TypeVar("RecordT", bound=Record)
ResultT = TypeVar("ResultT", bound=Result)
OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Example(Generic[RecordT]):
    """A record and what the model might answer to each question about it, by name; for tests and docs."""

    record: RecordT
    answers: Mapping[str, str]


@dataclass(frozen=True)
class Complaint:
    """What is wrong with an answer.

    Attributes:
        message: in words that the model can act on.
        severity: of two answers the one with the smaller is kept: the number of failed checks, infinite if there is
            nothing to be had from the answer.
    """

    message: str
    severity: float


class Task(ABC, Generic[RecordT, ResultT, OptionsT]):
    """What to ask of each row, and what to make of the answers.

    Subclasses set the class attributes and implement the methods. An instance holds the options of one run, and what
    it read from the files they name; it is pickled to the workers.

    Attributes:
        name: the command's name.
        version: raise it when the meaning of an answer changes; stored answers of other versions are not used.
        summary: one line for `--help`.
        record, result, options_model: its models.
        forms: the forms of prompt it has, the one for an unknown model first (`chat` needs a chat template).
        columns: the output columns a person wants to see first.
        checks: names of the checks that its results carry; any of them can be required.
        calibrated_questions: names of those whose answers a calibration is about (`pipeline.calibration`).
        calibration: what its probabilities are to go through, set before a run.
        adapted: the options that a model does with that was trained on the task: no examples in the prompt, say.
        taught: the result's fields whose right values tell what the answers should have been (`wanted_answers`).
        may_guard: its texts may be read without what gives the model orders: where they are judged, answered or written
            from, not where all of a text counts.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]
    record: ClassVar[type[Record]]
    result: type[Result]
    options_model: ClassVar[type[Options]] = Options
    forms: ClassVar[tuple[str, ...]] = ("chat",)
    columns: tuple[str, ...]
    checks: ClassVar[tuple[str, ...]] = ()
    calibrated_questions: ClassVar[tuple[str, ...]] = ()
    calibration: Calibration | None = None
    adapted: ClassVar[Mapping[str, Any]] = {}
    taught: tuple[str, ...] = ()
    may_guard: ClassVar[bool] = False

    def __init__(self, options: OptionsT, form: str) -> None:
        self.options = options
        self.form = form

    @property
    def rounds(self) -> int:
        """How often at most a row asks, each time with the answers so far at hand."""
        return 2 if self._retries else 1

    def branches(self, record: RecordT | None) -> Sequence[Mapping[str, Any]]:
        """The row's results, each by the values of the columns that tell them apart; one result, by default.

        Args:
            record: None for a row that is not valid: its failures are told apart likewise, where that can be said.
        """
        return ({},)

    @abstractmethod
    def questions(self, record: RecordT) -> Sequence[Question]:
        """What to ask first: at least one question, or `parse` must do without. Names are unique.

        Prompts have their constant parts first, so that they are computed once, and row text in `Text`.
        """

    def complaint(self, record: RecordT, name: str, completion: Completion) -> Complaint | None:
        """What is wrong with an answer, to be told to the model when it is asked again; None if it is fine."""
        return None

    def follow_up(self, record: RecordT, answers: Answers) -> Sequence[Question]:
        """What to ask in the last round, in the light of all answers before it."""
        return ()

    @abstractmethod
    def parse(self, record: RecordT, index: int, answers: Answers) -> ResultT:
        """The result that the answers mean.

        Args:
            index: which of the row's results (`branches`).

        Raises:
            RowError: if they mean none (`invalid_answer`). Nothing else may be raised.
        """

    def wanted_answers(self, record: RecordT, index: int, gold: Mapping[str, Any]) -> Mapping[str, str]:
        """The answers that a right result would be parsed from: `parse` the other way round, to train a model on.

        Args:
            index: which of the row's results (`branches`).
            gold: fields of `taught`, as far as they are known, with their right values, which may be None.

        Returns:
            By the names of `questions`; nothing where the gold does not say.

        Raises:
            RowError: if the gold cannot be an answer; the message is a noun phrase, the same for all rows of its kind.
        """
        return {}

    @property
    def judges(self) -> bool:
        """Whether results have a `judgement`; only then can models share the rows (`--cascade`)."""
        return False

    def judgement(self, result: ResultT) -> Judgement | None:
        """The result's label, and its probability; None if there is no such thing."""
        return None

    def concerns(self, name: str, index: int) -> bool:
        """Whether a question was asked for this one of the row's results; its cost is then told there."""
        return True

    @classmethod
    @abstractmethod
    def examples(cls) -> Sequence[Example[RecordT]]:
        """A few records with plausible answers, valid under the default options."""

    @classmethod
    def example_options(cls) -> Mapping[str, Options]:
        """Sets of options that the examples are valid under, by what they are about.

        The first, the defaults unless there are some without, is the one that docs show; each keeps the contract.
        """
        return {"defaults": cls.options_model()}

    def check(self, record: RecordT) -> None:
        """Refuse a record that cannot have an answer, before anything is spent on it.

        Raises:
            RowError: to refuse it.
        """

    def ask(self, record: RecordT, answers: Answers) -> list[Question]:
        """What to ask next: the questions, then those whose answers draw a complaint once more, then the follow-up."""
        first = self.questions(record)
        if not answers:
            return list(first)
        if again := [q for q in self._asked_again(record, first, answers) if q.name not in answers]:
            return again
        return [q for q in self.follow_up(record, answers) if q.name not in answers]

    def answer(self, record: RecordT, answers: Answers, name: str) -> Completion:
        """The better one of the answers to a question.

        Raises:
            RowError: if the engine gave none.
        """
        first, second = answers.get(name), answers.get(name + AGAIN)
        if not isinstance(second, Completion):
            if isinstance(first, Completion):
                return first
            raise _as_error([answer for answer in (first, second) if answer is not None])
        if not isinstance(first, Completion):
            return second
        return min((first, second), key=lambda completion: self._severity(record, name, completion))

    def prompt_again(self, prompt: Chat, answer: Completion, complaint: Complaint) -> Chat:
        """What to ask when an answer draws a complaint: the same, gone on with the answer and what is wrong with it.

        One that ran on is not shown: the model would go on with it.
        """
        if answer.ran_on:
            *turns, last = prompt.messages
            wrong = Text(complaint.message, may_cut=False, may_order=True)
            told = ("\n\nAn earlier answer was refused: ", wrong, ". Say nothing twice.")
            return Chat((*turns, Message(last.role, (*last.content, *told))))
        again = Message(
            "user",
            (
                "This answer cannot be used: ",
                Text(complaint.message, may_cut=False, may_order=True),
                "\nAnswer again, correctly and completely, in the same form as before and without any comment.",
            ),
        )
        said = Message("assistant", (Text(answer.text, may_cut=False, may_order=True),))
        return Chat((*prompt.messages, said, again))

    @property
    def _retries(self) -> bool:
        return self.form == "chat" and isinstance(self.options, RetryOptions) and self.options.retry

    def _asked_again(self, record: RecordT, first: Sequence[Question], answers: Answers) -> Iterable[Question]:
        for question in first if self._retries else ():
            answer = answers.get(question.name)
            if isinstance(answer, Completion) and not isinstance(question.decoding, Choice):
                complaint = self.complaint(record, question.name, answer)
                if complaint is not None and isinstance(question.prompt, Chat):
                    prompt = self.prompt_again(question.prompt, answer, complaint)
                    decoding = question.decoding
                    if answer.ran_on:
                        decoding = replace(decoding, frequency_penalty=decoding.frequency_penalty + _MORE_PENALTY)
                    yield Question(question.name + AGAIN, prompt, decoding)

    def _severity(self, record: RecordT, name: str, completion: Completion) -> float:
        complaint = self.complaint(record, name, completion)
        return 0 if complaint is None else complaint.severity


def _as_error(tried: Sequence[Answer]) -> RowError:
    for failure in tried:
        if isinstance(failure, Failure):
            return RowError(failure.error_class, failure.message, failure.answer)
    return RowError(ErrorClass.INVALID_ANSWER, "the model was not asked")


def complain_of_checks(checks: Iterable[Check]) -> Complaint | None:
    """The complaint that the failed ones of some checks amount to."""
    failed = [check for check in checks if not check.passed]
    return Complaint("; ".join(check.detail or check.name for check in failed), len(failed)) if failed else None


class SimpleTask(Task[RecordT, ResultT, OptionsT]):
    """A task that asks one question a row, called `answer`.

    Subclasses implement `prompt`, `decoding`, `read` and `examples`. With `RetryOptions`, an answer that `read` refuses
    or whose checks fail is asked for once more, and the better one is kept.
    """

    @abstractmethod
    def prompt(self, record: RecordT) -> Prompt:
        """The prompt for one record in the form asked for: constant parts first, so that they are computed once."""

    @abstractmethod
    def decoding(self, record: RecordT) -> Decoding:
        """How the answer is drawn."""

    @abstractmethod
    def read(self, record: RecordT, completion: Completion) -> ResultT:
        """The result that a completion means.

        Raises:
            RowError: if it means none (`invalid_answer`). Nothing else may be raised.
        """

    def questions(self, record: RecordT) -> Sequence[Question]:
        """The one question."""
        return [Question("answer", self.prompt(record), self.decoding(record))]

    def complaint(self, record: RecordT, name: str, completion: Completion) -> Complaint | None:
        """What `read` says against the answer, or the checks of its result."""
        if not self._retries:
            return None
        try:
            result = self.read(record, completion)
        except RowError as error:
            return Complaint(error.message, math.inf)
        return complain_of_checks(result.checks) if isinstance(result, CheckedResult) else None

    def parse(self, record: RecordT, index: int, answers: Answers) -> ResultT:
        """What `read` makes of the better answer."""
        return self.read(record, self.answer(record, answers, "answer"))


AnyTask = Task[Any, Any, Any]


def task_options(task: type[AnyTask], values: Mapping[str, Any]) -> Options:
    """The task's options from plain values, its defaults for the rest."""
    return task.options_model.model_validate(dict(values))
