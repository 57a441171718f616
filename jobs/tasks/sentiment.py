"""Sentiment: does the writer say something good, bad, both or neither?

A label is one decoded token, chosen among the labels' tokens; its probability comes from their log-probabilities, not
from asking the model for a number. So a row costs one forward pass.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from pipeline.answers import choice_probabilities, uncertainty_of
from pipeline.decoding import Choice
from pipeline.elements import Completion
from pipeline.prompts import Bare, Chat, Message, Prompt, Segment, Text
from pipeline.task import Example, Options, SimpleTask
from schemas.records import TextRecord
from schemas.results import Result

Label = Literal["positive", "neutral", "negative", "mixed"]
LABELS: tuple[Label, ...] = ("positive", "neutral", "negative", "mixed")

_INSTRUCTION = (
    "You are a careful analyst of customer feedback. For each review, say whether the writer is "
    "{labels} about the subject."
)
_EXAMPLES: tuple[tuple[str, Label], ...] = (
    ("Arrived on time and works exactly as described. Love it!", "positive"),
    ("Stopped working after a week and nobody answers my mails.", "negative"),
    ("It is a 60-watt charger with a two-metre cable.", "neutral"),
    ("The sound is wonderful, but the battery dies within an hour.", "mixed"),
    ("A dull story told at a snail's pace.", "negative"),
    ("I bought this for my sister's birthday in May.", "neutral"),
    ("Warm, funny and beautifully acted.", "positive"),
    ("Great camera, terrible menus.", "mixed"),
)
_BARE_EXAMPLES = tuple(_EXAMPLES[i] for i in (0, 2, 1, 3))
"""A small model that only continues the text does better with four examples than with eight."""


class SentimentOptions(Options):
    """What can be set for a sentiment run."""

    labels: tuple[Label, ...] = Field(
        LABELS,
        min_length=2,
        description="Labels to choose from, among the four; may be repeated.",
        json_schema_extra={"flag": "--label"},
    )
    instruction: str | None = Field(
        None, description="Replaces the instruction to the model (chat form only); say what counts as good or bad."
    )

    @field_validator("labels")
    @classmethod
    def _ordered(cls, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        """One order for every set, so that the same set is the same recipe."""
        return tuple(label for label in LABELS if label in labels)


class SentimentResult(Result):
    """The sentiment of one text.

    Attributes:
        label: the most probable label.
        p_positive, p_neutral, p_negative, p_mixed: probability of each label; they add up to 1, and a label that was
            not asked for has 0.
        score: p_positive - p_negative, in [-1, 1].
        uncertainty: entropy of the probabilities over its maximum, in [0, 1]; 0 is certain.
    """

    label: Label
    p_positive: float = Field(ge=0, le=1)
    p_neutral: float = Field(ge=0, le=1)
    p_negative: float = Field(ge=0, le=1)
    p_mixed: float = Field(ge=0, le=1)
    score: float = Field(ge=-1, le=1)
    uncertainty: float = Field(ge=0, le=1)


class Sentiment(SimpleTask[TextRecord, SentimentResult, SentimentOptions]):
    """The sentiment of a text, by choice among labels."""

    name = "sentiment"
    version = 1
    summary = "Judge the sentiment of texts: label, probabilities, score, uncertainty."
    record = TextRecord
    result = SentimentResult
    options_model = SentimentOptions
    forms = ("chat", "bare")
    columns = ("label", "score", "uncertainty")

    def prompt(self, record: TextRecord) -> Prompt:
        """A conversation with an instruction and examples, or the examples alone for the model to go on with."""
        if self.form == "bare":
            shown = "".join(f"Review: {text}\nSentiment: {label}\n\n" for text, label in self._shown(_BARE_EXAMPLES))
            return Bare((f"{shown}Review:", Text(f" {record.text}"), "\nSentiment:"))
        instruction = self.options.instruction or _INSTRUCTION.format(labels=_one_of(self.options.labels))
        turns = [Message("system", (instruction,))]
        for text, label in self._shown(_EXAMPLES):
            turns += [Message("user", (f"Review: {text}",)), Message("assistant", (label,))]
        question: tuple[Segment, ...] = ("Review:", Text(f" {record.text}"))
        return Chat((*turns, Message("user", question)))

    def decoding(self, record: TextRecord) -> Choice:
        """One token among the labels'."""
        space = " " if self.form == "bare" else ""
        return Choice(self.options.labels, tuple(space + label for label in self.options.labels))

    def read(self, record: TextRecord, completion: Completion) -> SentimentResult:
        """Probabilities, and what follows from them."""
        found = choice_probabilities(completion, self.options.labels)
        p = {label: found.get(label, 0.0) for label in LABELS}
        return SentimentResult(
            label=max(LABELS, key=lambda label: p[label]),
            p_positive=p["positive"],
            p_neutral=p["neutral"],
            p_negative=p["negative"],
            p_mixed=p["mixed"],
            score=p["positive"] - p["negative"],
            uncertainty=uncertainty_of(list(found.values())),
        )

    @classmethod
    def examples(cls) -> Sequence[Example[TextRecord]]:
        """One text for each label."""
        return [
            Example(TextRecord(text="I would buy it again at once."), {"answer": "positive"}),
            Example(TextRecord(text="The box holds two screws and a key."), {"answer": "neutral"}),
            Example(TextRecord(text="Broke on the first day."), {"answer": "negative"}),
            Example(TextRecord(text="Lovely colours, awful fit."), {"answer": "mixed"}),
        ]

    def _shown(self, examples: Sequence[tuple[str, Label]]) -> list[tuple[str, Label]]:
        return [(text, label) for text, label in examples if label in self.options.labels]


def _one_of(labels: Sequence[str]) -> str:
    return f"{', '.join(labels[:-1])} or {labels[-1]}"
