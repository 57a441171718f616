"""A task with sampled, seeded answers, which vLLM 0.32 on a CPU dies of when a prompt is computed in chunks."""

from collections.abc import Sequence

from pipeline.decoding import FreeText
from pipeline.elements import Completion
from pipeline.prompts import Bare, Text
from pipeline.task import Example, Options, SimpleTask
from schemas.records import TextRecord
from schemas.results import Result


class ShortResult(Result):
    said: str


class Short(SimpleTask[TextRecord, ShortResult, Options]):
    """Goes on with a text by a few tokens."""

    name = "short"
    version = 1
    summary = "Go on."
    record = TextRecord
    result = ShortResult
    forms = ("bare",)
    columns = ("said",)

    def prompt(self, record: TextRecord) -> Bare:
        return Bare((Text(record.text), "\nIn short:"))

    def decoding(self, record: TextRecord) -> FreeText:
        return FreeText(4, temperature=0.5, seed=1)

    def read(self, record: TextRecord, completion: Completion) -> ShortResult:
        return ShortResult(said=completion.text)

    @classmethod
    def examples(cls) -> Sequence[Example[TextRecord]]:
        return [Example(TextRecord(text="It rains."), {"answer": " rain"})]


TASK = Short
