"""The task contract: what one file says to make a job.

A task is a record model, a result model, a prompt in one or more forms, how to decode the answer, and how to read it.
The columns, the CLI options, the output schema and the contract tests all come from it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from pipeline.decoding import Decoding
from pipeline.elements import Completion
from pipeline.prompts import Prompt
from schemas.records import Record
from schemas.results import Result


class Options(BaseModel):
    """Base of a task's own options: its fields become CLI flags and config keys, with their descriptions as help."""

    model_config = ConfigDict(frozen=True, extra="forbid")


RecordT = TypeVar("RecordT", bound=Record)
ResultT = TypeVar("ResultT", bound=Result)
OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Example(Generic[RecordT]):
    """A record and an answer that the model might give, for tests, docs and the scripted engine."""

    record: RecordT
    answer: str


class Task(ABC, Generic[RecordT, ResultT, OptionsT]):
    """What to ask of each row, and what to make of the answer.

    Subclasses set the class attributes and implement the methods. An instance holds the options of one run; it is
    pickled to the workers, so it keeps nothing else.

    Attributes:
        name: the command's name.
        version: raise it when the meaning of an answer changes; stored answers of other versions are not used.
        summary: one line for `--help`.
        record, result, options_model: its models.
        forms: the forms of prompt it has, the one for an unknown model first (`chat` needs a chat template).
        columns: the output columns a person wants to see first.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]
    record: ClassVar[type[Record]]
    result: ClassVar[type[Result]]
    options_model: ClassVar[type[Options]] = Options
    forms: ClassVar[tuple[str, ...]]
    columns: ClassVar[tuple[str, ...]]

    def __init__(self, options: OptionsT, form: str) -> None:
        self.options = options
        self.form = form

    @abstractmethod
    def prompt(self, record: RecordT) -> Prompt:
        """The prompt for one record in the form asked for: constant parts first, so that they are computed once."""

    @abstractmethod
    def decoding(self) -> Decoding:
        """How every answer of the run is drawn."""

    @abstractmethod
    def parse(self, record: RecordT, completion: Completion) -> ResultT:
        """The result that a completion means.

        Raises:
            RowError: if it means none (`invalid_answer`). Nothing else may be raised.
        """

    @classmethod
    @abstractmethod
    def examples(cls) -> Sequence[Example[RecordT]]:
        """A few records with plausible answers, valid under the default options."""

    def check(self, record: RecordT) -> None:
        """Refuse a record that cannot have an answer, before anything is spent on it.

        Raises:
            RowError: to refuse it.
        """


AnyTask = Task[Any, Any, Any]


def task_options(task: type[AnyTask], values: Mapping[str, Any]) -> Options:
    """The task's options from plain values, its defaults for the rest."""
    return task.options_model.model_validate(dict(values))
