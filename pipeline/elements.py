"""What travels between the steps: small frozen values, each one idea.

No `slots`: frozen classes with slots pickle in Python code, several times slower, and these are pickled by the million.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.prompts import Segment
from schemas.envelope import ErrorClass
from schemas.records import Record


class RowRef(NamedTuple):
    """Where a row stands: the output part it belongs to and its position there, counted from 0."""

    part: int
    position: int


@dataclass(frozen=True)
class Row:
    """A line of an input Parquet file: the columns the task reads, by record field, and its place."""

    ref: RowRef
    values: dict[str, Any]


@dataclass(frozen=True)
class Asker:
    """A row that asks a request: its place, whether its text had to be cut, and its record, to read the answer with."""

    ref: RowRef
    truncated: bool
    record: Record


@dataclass(frozen=True)
class Request:
    """A rendered prompt under its fingerprint; how to decode it stands in the recipe."""

    fingerprint: bytes
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Completion:
    """What the model answered to one request.

    Attributes:
        text: what it wrote; for a choice, the label.
        label_logprobs: for a choice, the raw log-probability of each label's token, in label order; else None.
        prompt_tokens, cached_prompt_tokens, output_tokens: what it cost.
        finish_reason: why the engine stopped (`stop`, `length`).
        run_id: the run whose engine computed it.
    """

    text: str
    label_logprobs: tuple[float, ...] | None
    prompt_tokens: int
    cached_prompt_tokens: int
    output_tokens: int
    finish_reason: str
    run_id: str


@dataclass(frozen=True)
class Failure:
    """Why a row has no result, and what the model said if it did."""

    error_class: ErrorClass
    message: str
    attempts: int = 0
    answer: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The end of one row: its typed columns or its failure, with the completion behind it if there was one."""

    position: int
    truncated: bool
    completion: Completion | None
    values: dict[str, Any] | None
    failure: Failure | None
