"""Sentiment: does the writer say something good, bad, both or neither?

A label is one decoded token, chosen among the labels' tokens; its probability comes from their log-probabilities, not
from asking the model for a number. So a row costs one forward pass, and as many more as there are aspects.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from jobs.aspects import (
    MAX_ASPECTS,
    MAX_OPEN_TOKENS,
    Aspect,
    AspectLabel,
    ListedAspects,
    aspect_decoding,
    aspect_prompt,
    distinct_names,
    open_prompt,
    read_aspect,
    read_listed,
)
from jobs.few_shot import Shown
from pipeline.answers import choice_probabilities, json_decoding, uncertainty_of
from pipeline.calibration import CalibrationOptions, apply_calibration, rating_of
from pipeline.decoding import Choice
from pipeline.elements import Answers, Completion, Judgement, Question
from pipeline.errors import RowError, UsageError
from pipeline.prompts import Bare, Border, Chat, Message, Prompt, Text
from pipeline.task import Complaint, Example, SimpleTask
from schemas.records import TextRecord
from schemas.results import Result

Label = Literal["positive", "neutral", "negative", "mixed"]
LABELS: tuple[Label, ...] = ("positive", "neutral", "negative", "mixed")
_NONE_PROBABLE: Mapping[str, float] = dict.fromkeys(LABELS, 0.0)

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
_REVIEW = Border("Review:")
_BARE_EXAMPLES = tuple(_EXAMPLES[i] for i in (0, 2, 1, 3))
"""A small model that only continues the text does better with four examples than with eight."""


class SentimentOptions(CalibrationOptions):
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
    examples: tuple[Shown[Label], ...] | None = Field(
        None,
        description="Replaces the examples in the prompt, as LABEL=TEXT; may be repeated. In a file: {text, label}.",
        json_schema_extra={"flag": "--example"},
    )
    aspect_names: tuple[str, ...] = Field(
        (),
        max_length=MAX_ASPECTS,
        description="Judge this aspect too, battery or price say; may be repeated.",
        json_schema_extra={"flag": "--aspect"},
    )
    find_aspects: Literal["open"] | None = Field(
        None,
        description="open: let the model list the aspects, each with the words of the text that speak of it.",
        json_schema_extra={"flag": "--aspects"},
    )

    @field_validator("labels")
    @classmethod
    def _ordered(cls, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        """One order for every set, so that the same set is the same recipe."""
        return tuple(label for label in LABELS if label in labels)

    @field_validator("aspect_names")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return distinct_names(names)

    @model_validator(mode="after")
    def _one_way(self) -> "SentimentOptions":
        if self.aspect_names and self.find_aspects:
            raise ValueError("either name aspects or let the model find them")
        return self

    @model_validator(mode="after")
    def _examples_of_these_labels(self) -> "SentimentOptions":
        for shown in self.examples or ():
            if shown.label not in self.labels:
                raise ValueError(f"an example is {shown.label}, which is not among the labels")
        return self


class SentimentResult(Result):
    """The sentiment of one text.

    Attributes:
        label: the most probable label.
        p_positive, p_neutral, p_negative, p_mixed: probability of each label; they add up to 1, and a label that was
            not asked for has 0.
        score: p_positive - p_negative, in [-1, 1].
        uncertainty: entropy of the probabilities over its maximum, in [0, 1]; 0 is certain.
        calibrated_rating: the score on the scale of the human ratings that a calibration was fitted on; null without
            one. All of the above is then calibrated, too; aspects are not.
        aspects: what is said about each aspect; null if none were asked for.
        aspects_dropped: how many the model listed with words that the text does not have; null unless it was to list
            them.
    """

    label: Label
    p_positive: float = Field(ge=0, le=1)
    p_neutral: float = Field(ge=0, le=1)
    p_negative: float = Field(ge=0, le=1)
    p_mixed: float = Field(ge=0, le=1)
    score: float = Field(ge=-1, le=1)
    uncertainty: float = Field(ge=0, le=1)
    calibrated_rating: float | None = None
    aspects: list[Aspect] | None = None
    aspects_dropped: int | None = None


class Sentiment(SimpleTask[TextRecord, SentimentResult, SentimentOptions]):
    """The sentiment of a text, and of its aspects, by choice among labels."""

    name = "sentiment"
    version = 1
    may_guard = True
    summary = "Judge the sentiment of texts: label, probabilities, score, uncertainty."
    record = TextRecord
    result = SentimentResult
    options_model = SentimentOptions
    forms = ("chat", "bare")
    columns = ("label", "score", "uncertainty", "aspects")
    calibrated_questions = ("answer",)
    adapted: ClassVar[Mapping[str, Any]] = {"examples": []}

    def __init__(self, options: SentimentOptions, form: str) -> None:
        super().__init__(options, form)
        if options.find_aspects and form != "chat":
            raise UsageError("aspects can be found by the chat form of the prompt only", "give --prompt-form chat")

    @property
    def rounds(self) -> int:
        """A second one only for aspects that the model lists: a list can be wrong, a label cannot."""
        return 2 if self._retries else 1

    @property
    def _retries(self) -> bool:
        return self.options.find_aspects is not None

    def questions(self, record: TextRecord) -> list[Question]:
        """The text's sentiment; then each aspect's, or a list of them."""
        asked = list(super().questions(record))
        decoding = aspect_decoding(self.form)
        for i, aspect in enumerate(self.options.aspect_names):
            asked.append(Question(f"aspect/{i}", aspect_prompt(record.text, aspect, self.form), decoding))
        if self.options.find_aspects:
            asked.append(Question("aspects", open_prompt(record.text), json_decoding(ListedAspects, MAX_OPEN_TOKENS)))
        return asked

    def complaint(self, record: TextRecord, name: str, completion: Completion) -> Complaint | None:
        """What is wrong with a list of aspects."""
        if name != "aspects":
            return None
        try:
            read_listed(record.text, completion)
        except RowError as error:
            return Complaint(error.message, math.inf)
        return None

    def parse(self, record: TextRecord, index: int, answers: Answers) -> SentimentResult:
        """The text's sentiment with that of its aspects."""
        overall = super().parse(record, index, answers)
        if self.options.aspect_names:
            asked = enumerate(self.options.aspect_names)
            found = [read_aspect(name, self.answer(record, answers, f"aspect/{i}")) for i, name in asked]
            return overall.model_copy(update={"aspects": found})
        if self.options.find_aspects:
            listed, dropped = read_listed(record.text, self.answer(record, answers, "aspects"))
            return overall.model_copy(update={"aspects": listed, "aspects_dropped": dropped})
        return overall

    @property
    def judges(self) -> bool:
        """As long as nothing is asked but the label."""
        return not self.options.aspect_names and self.options.find_aspects is None

    def judgement(self, result: SentimentResult) -> Judgement:
        """The label."""
        return Judgement(result.label, getattr(result, f"p_{result.label}"))

    def prompt(self, record: TextRecord) -> Prompt:
        """A conversation with an instruction and examples, or the examples alone for the model to go on with."""
        text = Text(f" {record.text}")
        if self.form == "bare":
            return Bare((self._bare_examples, _REVIEW, text, "\nSentiment:"))
        return Chat((*self._turns, Message("user", (_REVIEW, text))))

    def decoding(self, record: TextRecord) -> Choice:
        """One token among the labels'."""
        return self._choice

    @cached_property
    def _bare_examples(self) -> str:
        return "".join(f"Review: {text}\nSentiment: {label}\n\n" for text, label in self._shown(_BARE_EXAMPLES))

    @cached_property
    def _turns(self) -> tuple[Message, ...]:
        instruction = self.options.instruction or _INSTRUCTION.format(labels=_one_of(self.options.labels))
        turns = [Message("system", (instruction,))]
        for text, label in self._shown(_EXAMPLES):
            turns += [Message("user", (f"Review: {text}",)), Message("assistant", (label,))]
        return tuple(turns)

    @cached_property
    def _choice(self) -> Choice:
        space = " " if self.form == "bare" else ""
        return Choice(self.options.labels, tuple(space + label for label in self.options.labels))

    def read(self, record: TextRecord, completion: Completion) -> SentimentResult:
        """Probabilities, and what follows from them."""
        found = apply_calibration(self.calibration, choice_probabilities(completion, self.options.labels))
        p = {**_NONE_PROBABLE, **found}
        score = p["positive"] - p["negative"]
        return SentimentResult(
            label=max(LABELS, key=p.__getitem__),
            p_positive=p["positive"],
            p_neutral=p["neutral"],
            p_negative=p["negative"],
            p_mixed=p["mixed"],
            score=score,
            uncertainty=uncertainty_of(list(found.values())),
            calibrated_rating=rating_of(self.calibration, score),
        )

    @classmethod
    def example_options(cls) -> Mapping[str, SentimentOptions]:
        """Without aspects, with some that are named, with some to be found, and with examples of one's own."""
        return {
            "defaults": SentimentOptions(),
            "named aspects": SentimentOptions(aspect_names=("quality", "price")),
            "open aspects": SentimentOptions(find_aspects="open"),
            "own examples": SentimentOptions(examples=(Shown[Label](text="It fell apart.", label="negative"),)),
        }

    @classmethod
    def examples(cls) -> Sequence[Example[TextRecord]]:
        """One text for each label, with what it says of its quality and its price."""
        shown: tuple[tuple[str, Label, AspectLabel], ...] = (
            ("I would buy it again at once.", "positive", "not_mentioned"),
            ("The box holds two screws and a key.", "neutral", "not_mentioned"),
            ("Broke on the first day.", "negative", "negative"),
            ("Lovely colours, awful fit.", "mixed", "mixed"),
        )
        listed = ListedAspects(aspects=[]).model_dump_json()
        return [
            Example(
                TextRecord(text=text),
                {"answer": label, "aspect/0": quality, "aspect/1": "not_mentioned", "aspects": listed},
            )
            for text, label, quality in shown
        ]

    def _shown(self, examples: Sequence[tuple[str, Label]]) -> list[tuple[str, Label]]:
        if self.options.examples is not None:
            return [(shown.text, shown.label) for shown in self.options.examples]
        return [(text, label) for text, label in examples if label in self.options.labels]


def _one_of(labels: Sequence[str]) -> str:
    return f"{', '.join(labels[:-1])} or {labels[-1]}"
