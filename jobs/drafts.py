"""Drafts of generated content: what a model answered, put in order, and what the checks say of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, field_validator

from pipeline.answers import read_json
from pipeline.elements import Completion
from pipeline.errors import RowError
from pipeline.text import checks
from pipeline.text.words import count_words
from schemas.envelope import ErrorClass
from schemas.results import Check


class Draft(BaseModel):
    """An answer of the model, in any format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str | None = None
    body: str | None = None
    hashtags: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()

    @field_validator("title")
    @classmethod
    def _line(cls, title: str | None) -> str | None:
        return title and " ".join(title.split())

    @field_validator("body")
    @classmethod
    def _stripped(cls, body: str | None) -> str | None:
        return body and body.strip()

    @field_validator("sections")
    @classmethod
    def _lines(cls, sections: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(line for section in sections if (line := " ".join(section.split())))

    @field_validator("hashtags")
    @classmethod
    def _tags(cls, hashtags: tuple[str, ...]) -> tuple[str, ...]:
        """Each once, with nothing in it that would end it."""
        words = ["".join(re.findall(r"\w+", hashtag)) for hashtag in hashtags]
        return tuple(dict.fromkeys(f"#{word}" for word in words if word))

    def text(self) -> str:
        """All of it, a line each."""
        return "\n".join(part for part in (self.title, self.body, *self.sections, *self.hashtags) if part)

    def main(self) -> str:
        """What is counted in words: the body, without one the sections, without both the title."""
        return self.body or "\n".join(self.sections) or self.title or ""

    def num_words(self) -> int:
        """How many words the `length` check counts."""
        return count_words(self.main())


def read_draft(completion: Completion, fields: Sequence[str]) -> Draft:
    """The draft that a completion holds.

    Raises:
        RowError: if it is none, or one of the fields is missing or empty.
    """
    draft = read_json(completion, Draft)
    if missing := [name for name in fields if not getattr(draft, name)]:
        raise RowError(ErrorClass.INVALID_ANSWER, f"{' and '.join(missing)} is missing", completion.text)
    return draft


@dataclass(frozen=True)
class Wanted:
    """What a draft is checked against.

    Attributes:
        said: what numbers and placeholders may come from.
    """

    min_words: int
    max_words: int
    language: str
    must_include: tuple[str, ...]
    must_not_include: tuple[str, ...]
    said: tuple[str, ...]


@lru_cache(maxsize=1024)
def check_draft(draft: Draft, wanted: Wanted) -> tuple[Check, ...]:
    """What the checks say of a draft by itself; remembered, for candidates are compared anew for each variant."""
    text = draft.text()
    return (
        checks.length_words(draft.main(), wanted.min_words, wanted.max_words),
        checks.required_words(text, wanted.must_include),
        checks.forbidden_words(text, wanted.must_not_include),
        checks.in_language(draft.main(), wanted.language),
        checks.numbers_from(text, *wanted.said),
        checks.no_leftovers(text, allowed="\n".join(wanted.said)),
        checks.no_loop(text),
    )


def check_distinct(draft: Draft, earlier: Sequence[Draft]) -> Check:
    """Fails when one of the earlier drafts says the same."""
    same = len(earlier) in checks.distinct([*(other.text() for other in earlier), draft.text()])
    return Check(name="distinct", passed=not same, detail="an earlier variant says the same" if same else None)


def best_draft(candidates: Sequence[Draft], wanted: Wanted, taken: Sequence[Draft]) -> Draft | None:
    """The candidate that is no copy of one that is taken and fails the fewest checks; None if there is none."""

    def rank(draft: Draft) -> tuple[bool, int]:
        failed = sum(not check.passed for check in check_draft(draft, wanted))
        return not check_distinct(draft, taken).passed, failed

    return min(candidates, key=rank, default=None)
