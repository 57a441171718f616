"""Generation: texts from briefs, in formats that are data, with variants and a choice of the best.

A small model forgets half of what it is told and makes up the rest. So the answer is held to the format's fields while
it is written, everything that a brief asks for is checked afterwards, and of several candidates the one that passes
most checks is kept.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator, model_validator

from jobs.brief_prompts import brief_decoding, brief_prompt
from jobs.briefs import Brief
from jobs.config import nearest
from jobs.drafts import Draft, Wanted, best_draft, check_distinct, check_draft, read_draft
from jobs.formats import Format, find_format, read_formats
from pipeline.elements import Answers, Completion, Question, whole_answer
from pipeline.errors import RowError, UsageError
from pipeline.json_models import schema_validator
from pipeline.task import Complaint, Example, RetryOptions, Task, complain_of_checks
from pipeline.text import checks
from pipeline.text.languages import language_name, normal_code
from schemas.envelope import ErrorClass
from schemas.results import CheckedResult

_SAMPLED = 0.8
_WARMER = 0.3
_OTHER = "other"
_BETWEEN = {"hashtags": r"[\s,;]+", "sections": r"[\n;]"}
"""What stands between the entries of a list that is written as text."""


class GenerationOptions(RetryOptions):
    """What can be set for a generation run; a brief's own wishes come first."""

    format: str = Field("product_description", description="Format of briefs that name none.")
    formats: str | None = Field(None, description="TOML file with formats of your own (see jobs/data/formats.toml).")
    language: str = Field("en", description="Language of briefs that name none, a code or a name.")
    variants: int = Field(1, ge=1, le=20, description="Different texts for each brief, a row each.")
    best_of: int = Field(
        1, ge=1, le=16, description="Candidates for each text; the one that passes most checks is kept."
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="How freely words are drawn. [default: 0 for a single text, 0.8 where several differ]",
    )
    draw_seed: int = Field(0, description="Of the drawing of words: the same seed gives the same texts.")

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        language_name(language)
        return language

    @model_validator(mode="after")
    def _can_differ(self) -> "GenerationOptions":
        if self.temperature == 0 and self.variants * self.best_of > 1:
            raise ValueError(
                "at temperature 0 all texts of a brief are the same; give more, or one variant and best_of"
            )
        return self


class GenerationResult(CheckedResult):
    """One text for one brief.

    Attributes:
        variant: which of the brief's texts, from 1.
        format, language: what was asked for.
        title, body: null where the format has none.
        hashtags, sections: empty where the format has none.
        words: how many words were counted.
        checks: see `Generation.checks`.
    """

    variant: int
    format: str
    language: str
    title: str | None
    body: str | None
    hashtags: list[str]
    sections: list[str]
    words: int


class Generation(Task[Brief, GenerationResult, GenerationOptions]):
    """Texts from briefs, one result for each variant."""

    name = "generate"
    version = 1
    summary = "Write content from briefs: product descriptions, posts, mails, headlines and formats of your own."
    record = Brief
    result = GenerationResult
    options_model = GenerationOptions
    columns = ("title", "body", "hashtags", "sections")
    taught = ("title", "body", "hashtags", "sections")
    may_guard = True
    checks = (
        "length",
        "required_words",
        "forbidden_words",
        "language",
        "numbers",
        "no_leftovers",
        "no_loop",
        "distinct",
    )

    def __init__(self, options: GenerationOptions, form: str) -> None:
        super().__init__(options, form)
        self._formats = read_formats(options.formats)
        if options.format not in self._formats:
            raise UsageError(f"unknown format {options.format!r}", nearest(options.format, self._formats))

    @property
    def rounds(self) -> int:
        """One more for variants that came out the same."""
        return super().rounds + 1

    def branches(self, record: Brief | None) -> Sequence[Mapping[str, Any]]:
        """One result for each variant."""
        return [{"variant": number} for number in range(1, self._num_variants(record) + 1)]

    def check(self, record: Brief) -> None:
        """Refuse a brief that says nothing, or that nothing can satisfy."""
        if not record.topic and not record.facts:
            raise RowError(ErrorClass.EMPTY_TEXT, "the brief has neither topic nor facts")
        try:
            self._format(record)
            self._language(record)
        except ValueError as error:
            raise RowError(ErrorClass.INVALID_ROW, str(error)) from None
        if record.min_words and record.max_words and record.min_words > record.max_words:
            raise RowError(
                ErrorClass.INVALID_ROW, f"min_words {record.min_words} is more than max_words {record.max_words}"
            )

    def questions(self, record: Brief) -> list[Question]:
        """Each candidate of each variant, called `1/1`, `1/2` and so on."""
        return [
            self._question(record, f"{variant}/{candidate}", self._temperature(record))
            for variant in range(1, self._num_variants(record) + 1)
            for candidate in range(1, self.options.best_of + 1)
        ]

    def complaint(self, record: Brief, name: str, completion: Completion) -> Complaint | None:
        """What is wrong with a text; candidates of several are not asked for again, for there is a choice."""
        if self.options.best_of > 1:
            return None
        try:
            return complain_of_checks(check_draft(self._draft(record, completion), self._wanted(record)))
        except RowError as error:
            return Complaint(error.message, math.inf)

    def follow_up(self, record: Brief, answers: Answers) -> list[Question]:
        """A variant that says the same as an earlier one is drawn once more, and more freely."""
        temperature = self._temperature(record)
        if temperature == 0:
            return []
        # Without what was drawn anew: else a variant that is now like it would be drawn in yet another round.
        chosen = self._chosen(record, {name: a for name, a in answers.items() if not name.endswith(_OTHER)})
        texts = [draft.text() if isinstance(draft, Draft) else f"none {i}" for i, draft in enumerate(chosen)]
        warmer = min(2.0, temperature + _WARMER)
        return [self._question(record, f"{i + 1}/{_OTHER}", warmer) for i in checks.distinct(texts)]

    def parse(self, record: Brief, index: int, answers: Answers) -> GenerationResult:
        """The best candidate, and what the checks say of it."""
        chosen = self._chosen(record, answers)
        draft = chosen[index]
        if isinstance(draft, RowError):
            raise draft
        earlier = [other for other in chosen[:index] if isinstance(other, Draft)]
        return GenerationResult(
            variant=index + 1,
            format=record.format or self.options.format,
            language=self._language(record),
            title=draft.title,
            body=draft.body,
            hashtags=list(draft.hashtags),
            sections=list(draft.sections),
            words=draft.num_words(),
            checks=[*check_draft(draft, self._wanted(record)), check_distinct(draft, earlier)],
        )

    def wanted_answers(self, record: Brief, index: int, gold: Mapping[str, Any]) -> dict[str, str]:
        """The fields of the format, as the JSON that the first candidate would be."""
        chosen = self._format(record)
        answer = {name: _listed(name, gold.get(name)) for name in chosen.fields}
        if not any(answer.values()):
            return {}
        text = json.dumps(answer, ensure_ascii=False, default=str)
        try:
            fits = schema_validator(json.loads(chosen.schema_text)).is_valid(answer)
            self._draft(record, whole_answer(text))
        except RowError:
            fits = False
        if not fits:
            raise RowError(ErrorClass.INVALID_ROW, "a text that is not what its format asks for")
        return {f"{index + 1}/1": text}

    def concerns(self, name: str, index: int) -> bool:
        """By the number of the variant."""
        return name.partition("/")[0] == str(index + 1)

    @classmethod
    def example_options(cls) -> Mapping[str, GenerationOptions]:
        """One text, or two."""
        return {"defaults": GenerationOptions(), "two variants": GenerationOptions(variants=2)}

    @classmethod
    def examples(cls) -> Sequence[Example[Brief]]:
        """A product, and a post about an event."""
        facts = ["7 watt LED", "arm of 40 cm"]
        lamp = Brief(topic="Aldery desk lamp", facts=facts, audience="students", min_words=5, max_words=60)
        fair = Brief(topic="Spring fair", facts=["Saturday from 10", "free entry"], format="social_post", min_words=3)
        body = "The Aldery desk lamp has a 7 watt LED and an arm of 40 cm, so that your desk stays free."
        post = {
            "body": "Come to our spring fair on Saturday from 10, entry is free and all are welcome!",
            "hashtags": ["#Spring"],
        }
        other = {**post, "body": "Spring is here! Our fair opens on Saturday at 10, and entry is free."}
        lamps = [{"title": "Aldery desk lamp", "body": text} for text in (body, f"Meet the Aldery lamp. {body}")]
        names = ("1/1", "2/1")
        return [
            Example(lamp, dict(zip(names, map(json.dumps, lamps), strict=True))),
            Example(fair, dict(zip(names, map(json.dumps, (post, other)), strict=True))),
        ]

    def _num_variants(self, record: Brief | None) -> int:
        return (record.variants if record else None) or self.options.variants

    def _format(self, record: Brief) -> Format:
        return find_format(self._formats, record.format or self.options.format)

    def _temperature(self, record: Brief) -> float:
        if self.options.temperature is not None:
            return self.options.temperature
        return _SAMPLED if self._num_variants(record) * self.options.best_of > 1 else 0.0

    def _question(self, record: Brief, name: str, temperature: float) -> Question:
        chosen = self._format(record)
        prompt = brief_prompt(chosen, record, record.language or self.options.language)
        draw = f"{self.options.draw_seed}/{name}"
        return Question(name, prompt, brief_decoding(chosen, record, self._language(record), temperature, draw))

    def _language(self, record: Brief) -> str:
        return normal_code(record.language or self.options.language)

    def _draft(self, record: Brief, completion: Completion) -> Draft:
        return read_draft(completion, self._format(record).fields)

    def _wanted(self, record: Brief) -> Wanted:
        must, must_not = tuple(record.must_include), tuple(record.must_not_include)
        limits = self._format(record).limits(record.min_words, record.max_words)
        return Wanted(*limits, self._language(record), must, must_not, tuple(record.said()))

    def _chosen(self, record: Brief, answers: Answers) -> list[Draft | RowError]:
        """For each variant the candidate that is no copy of an earlier one and fails the fewest checks, or an error."""
        chosen: list[Draft | RowError] = []
        wanted = self._wanted(record)
        for variant in range(1, self._num_variants(record) + 1):
            taken = [draft for draft in chosen if isinstance(draft, Draft)]
            names = [*map(str, range(1, self.options.best_of + 1)), _OTHER]
            candidates = [self._candidate(record, answers, f"{variant}/{name}") for name in names]
            drafts = [draft for draft in candidates if isinstance(draft, Draft)]
            chosen.append(best_draft(drafts, wanted, taken) or candidates[0])
        return chosen

    def _candidate(self, record: Brief, answers: Answers, name: str) -> Draft | RowError:
        try:
            return self._draft(record, self.answer(record, answers, name))
        except RowError as error:
            return error


def _listed(name: str, value: Any) -> Any:
    """The entries of a list that a spreadsheet has as text: JSON, hashtags in a row, sections a line each or with ;."""
    if name not in _BETWEEN or not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    parts = found if isinstance(found, list) else re.split(_BETWEEN[name], value)
    return [part.strip() if isinstance(part, str) else part for part in parts if part and str(part).strip()]
