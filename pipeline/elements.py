"""What travels between the steps: small values that do not change, each one idea, many of them in a block.

What there is one of for each row is a named tuple: it is made, and between processes pickled, by the million. No
dataclass has `slots`: frozen classes with slots pickle in Python code, several times slower.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from pipeline.decoding import Decoding
from pipeline.packing import Columns, from_columns, to_columns
from pipeline.prompts import Prompt, Segment
from schemas.envelope import ErrorClass
from schemas.records import Record

T = TypeVar("T")

BLOCK_ITEMS = 1_024


class Block(list[T]):
    """Some elements that travel as one: a step's overhead is paid, and what they share is pickled, once for all."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _block_of, (to_columns(self), len(self))


def _block_of(columns: Columns, size: int) -> Block[Any]:
    return Block(from_columns(columns, size))


def in_blocks(items: Iterable[T], size: int = BLOCK_ITEMS) -> Iterator[Block[T]]:
    """The items in blocks of a size."""
    rest = iter(items)
    while block := Block(islice(rest, size)):
        yield block


class RowRef(NamedTuple):
    """Where a row stands: the output part it belongs to and its position there, counted from 0."""

    part: int
    position: int


@dataclass(frozen=True)
class Undecodable:
    """Stands for a nested value that holds text which is not UTF-8."""

    reason: str


class Row(NamedTuple):
    """A line of an input Parquet file: the columns the task reads, by record field, its place and its partition.

    The partition is a value by which rows are treated differently: of a cascade's column, or of the adapters'.
    """

    ref: RowRef
    values: dict[str, Any]
    partition: str | None = None


class Question(NamedTuple):
    """One thing a task wants to know about a row; rendered, it is a request.

    Attributes:
        name: tells it from the row's other questions, and finds its answer.
        prompt: what the model reads.
        decoding: how the answer is drawn.
    """

    name: str
    prompt: Prompt
    decoding: Decoding


class Request(NamedTuple):
    """A rendered question under its fingerprint.

    Attributes:
        adapter: name of the one that the model is to answer with; None: as it is.
    """

    fingerprint: bytes
    segments: tuple[Segment, ...]
    decoding: Decoding
    adapter: str | None = None


class Completion(NamedTuple):
    """What the model answered to one request.

    Attributes:
        text: what it wrote, without what it thought before; for a choice, the label.
        label_logprobs: for a choice, the raw log-probability of each label's token, in label order; else None.
        prompt_tokens, cached_prompt_tokens, output_tokens: what it cost.
        finish_reason: why the engine stopped (`stop`, `length`, `repetition`).
        run_id: the run whose engine computed it.
        reasoning: what the model thought before it answered, if it is one that does.
        reasoning_tokens: how many of the output tokens that took.
    """

    text: str
    label_logprobs: tuple[float, ...] | None
    prompt_tokens: int
    cached_prompt_tokens: int
    output_tokens: int
    finish_reason: str
    run_id: str
    reasoning: str | None = None
    reasoning_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Of the prompt and of the answer together."""
        return self.prompt_tokens + self.output_tokens

    @property
    def ran_on(self) -> bool:
        """Whether it was cut off, at its limit or in a loop: no whole answer, unless it is a choice."""
        return self.finish_reason != "stop"


def whole_answer(text: str) -> Completion:
    """A completion that has this text and that no engine gave: for reading an answer as one of a run's."""
    return Completion(text, None, 1, 0, 1, "stop", "")


@dataclass(frozen=True)
class Failure:
    """Why there is no answer, or no result, and what the model said if it did."""

    error_class: ErrorClass
    message: str
    attempts: int = 0
    answer: str | None = None


Answer = Completion | Failure
"""What became of a question."""

Answers = Mapping[str, Answer]
"""What became of a row's questions, by their names."""

NO_ANSWERS: Answers = {}


class Case(NamedTuple):
    """A row on its way through the rounds: its place, its record, and what has been answered so far.

    Attributes:
        truncated: a text had to be cut to fit into the context.
        partition: by which a cascade has its thresholds.
        adapter: name of the one that answers.
    """

    ref: RowRef
    record: Record
    answers: Answers = NO_ANSWERS
    truncated: bool = False
    partition: str | None = None
    adapter: str | None = None


class Judgement(NamedTuple):
    """What a result says, as far as two models can agree on it, and how probable it is, in [0, 1]."""

    label: str
    probability: float


class Asker(NamedTuple):
    """A row that asks a request.

    Attributes:
        case: the row.
        name: which of its questions this is.
        of: how many questions it asks in this round.
        truncated: the text had to be cut for this question.
        failures: those of the round's other questions that could not be asked.
    """

    case: Case
    name: str
    of: int
    truncated: bool
    failures: Answers = NO_ANSWERS


class Pending(NamedTuple):
    """A request on its way to an answer.

    Attributes:
        fingerprint: names it.
        askers: the rows that ask it.
        request: None if the answer was known: the engine need not see it.
        answer: None until there is one.
    """

    fingerprint: bytes
    askers: tuple[Asker, ...]
    request: Request | None = None
    answer: Answer | None = None


class Cost(NamedTuple):
    """What the completions behind a result took, all together, as `schemas.envelope.Meta` has it.

    Attributes:
        reasoning: what the model thought, one thought after the other.
    """

    run_id: str | None = None
    requests: int = 0
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    reasoning: str | None = None


NO_COST = Cost()


def cost_of(completions: Sequence[Completion]) -> Cost:
    """What they took; the run is the last one that computed any of them."""
    if not completions:
        return NO_COST
    if len(completions) == 1:
        _, _, prompt, cached, output, finish_reason, run_id, thought, thinking = completions[0]
        return Cost(run_id, 1, prompt, cached, output, thinking, finish_reason, thought)
    thoughts = [c.reasoning for c in completions if c.reasoning]
    return Cost(
        max(c.run_id for c in completions),
        len(completions),
        sum(c.prompt_tokens for c in completions),
        sum(c.cached_prompt_tokens for c in completions),
        sum(c.output_tokens for c in completions),
        sum(c.reasoning_tokens for c in completions),
        completions[-1].finish_reason,
        "\n\n".join(thoughts) or None,
    )


class Outcome(NamedTuple):
    """One result of a row, or its failure, with what it took.

    Attributes:
        position: the row's, in its part.
        branch, of: which of the row's results this is, and how many there are.
        values: the typed columns; of a failure, just those that tell the row's results apart.
        level: which model of a cascade answered, or which adapter, from 0; -1: the last one, or the model as it is.
    """

    position: int
    branch: int
    of: int
    truncated: bool
    cost: Cost
    values: dict[str, Any]
    failure: Failure | None
    level: int = -1
