"""A task of a user's own, with all there is: several questions, two results a row, checks, a retry and a follow-up."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from pipeline.decoding import Choice, FreeText, Json
from pipeline.elements import Answers, Completion, Question
from pipeline.errors import RowError
from pipeline.prompts import Chat, Message, Text
from pipeline.task import Complaint, Example, RetryOptions, Task
from schemas.envelope import ErrorClass
from schemas.records import Record
from schemas.results import Check, CheckedResult

MOODS = ("glad", "sad")


class Note(Record):
    text: str
    tags: list[str] = Field(default_factory=list)


class ToyOptions(RetryOptions):
    sides: tuple[str, ...] = Field(("left", "right"), description="Results of each row.")


class ToyResult(CheckedResult):
    side: str
    mood: str
    said: str
    sum: str


class Toy(Task[Note, ToyResult, ToyOptions]):
    """Asks for a mood and, for each side, for a word; then for a sum of it all."""

    name = "toy"
    version = 1
    summary = "A toy."
    record = Note
    result = ToyResult
    options_model = ToyOptions
    columns = ("side", "mood", "said")
    checks = ("short",)

    @property
    def rounds(self) -> int:
        return super().rounds + 1

    def branches(self, record: Note | None) -> Sequence[Mapping[str, Any]]:
        return [{"side": side} for side in self.options.sides]

    def questions(self, record: Note) -> list[Question]:
        schema = json.dumps({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]})
        return [
            Question("mood", self._prompt(record, "Glad or sad?"), Choice(MOODS, MOODS)),
            *(
                Question(side, self._prompt(record, f"A word for the {side}."), Json(schema, 40))
                for side in self._sides
            ),
        ]

    def complaint(self, record: Note, name: str, completion: Completion) -> Complaint | None:
        try:
            word = self._word(completion)
        except RowError as error:
            return Complaint(error.message, 9)
        return None if len(word) <= 5 else Complaint("too long", 1)

    def follow_up(self, record: Note, answers: Answers) -> list[Question]:
        return [Question("sum", self._prompt(record, "Sum it up."), FreeText(40))]

    def parse(self, record: Note, index: int, answers: Answers) -> ToyResult:
        side = self._sides[index]
        word = self._word(self.answer(record, answers, side))
        check = Check(name="short", passed=len(word) <= 5, detail=None if len(word) <= 5 else f"{word} is too long")
        moods, sums = self.answer(record, answers, "mood"), self.answer(record, answers, "sum")
        return ToyResult(side=side, mood=moods.text, said=word, sum=sums.text, checks=[check])

    def concerns(self, name: str, index: int) -> bool:
        return name in ("mood", "sum") or name.startswith(self._sides[index])

    @classmethod
    def examples(cls) -> list[Example[Note]]:
        answers = {"mood": "glad", "left": '{"word": "a"}', "right": '{"word": "b"}', "sum": "both"}
        return [Example(Note(text="A note that somebody wrote."), answers)]

    @property
    def _sides(self) -> tuple[str, ...]:
        return self.options.sides

    @staticmethod
    def _prompt(record: Note, question: str) -> Chat:
        return Chat((Message("user", ("Note: ", Text(record.text), f"\n{question}")),))

    @staticmethod
    def _word(completion: Completion) -> str:
        try:
            return str(json.loads(completion.text)["word"])
        except (ValueError, KeyError, TypeError):
            raise RowError(ErrorClass.INVALID_ANSWER, "not the JSON asked for", completion.text) from None


TASK = Toy
