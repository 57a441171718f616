"""What a job would ask: the very requests that its run makes, counted, and some of them measured in tokens."""

import random
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from jobs.prepare import Prepared
from pipeline.decoding import Choice
from pipeline.elements import Question, Request, Row, in_blocks
from pipeline.errors import RowError
from pipeline.prompts import Text
from pipeline.requests import Asked, Prompter
from pipeline.rows import read_rows
from pipeline.store_index import index_of
from pipeline.text.languages.detection import detect
from pipeline.tokens import encode_all
from pipeline.validation import case_of

MEASURED = 500
"""So many requests, drawn at random, are tokenised."""
_LANGUAGES_OF = 100
_CONFIDENT = 0.8

_LookedAt = tuple[Row, bool, bool]
"""A row that is rendered: for what its text says, or because it was drawn, or both."""


@dataclass
class Counted:
    """What the rows would ask in the first round.

    Of many rows, requests are counted for one in so many different ones, chosen by their texts: then duplicates neither
    come in more often nor are taken for new ones. How many rows fail, or are cut, is found out on rows drawn at random.

    Attributes:
        rows: all.
        looked_at: rows drawn at random; what follows up to `nulls` is theirs.
        failed: rows that would fail before they ask, by error class.
        truncated: rows with a text that would be cut.
        nulls: rows without a value, by field.
        one_in: of so many different rows one was asked for its requests; what follows is theirs.
        unique: different requests; `stored` are answered already.
        choices: unstored requests that are answered by one token.
        most_output: the most tokens that the other unstored ones may be answered with.
        prompt_lengths: tokens of the prompts of some unstored requests, drawn at random.
        written_lengths: those of them whose answers are written, not chosen.
        languages: of some texts that are long enough to tell.
    """

    rows: int = 0
    looked_at: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    nulls: Counter[str] = field(default_factory=Counter)
    one_in: int = 1
    unique: int = 0
    stored: int = 0
    choices: int = 0
    most_output: int = 0
    prompt_lengths: list[int] = field(default_factory=list)
    written_lengths: list[int] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)

    @property
    def unstored(self) -> int:
        """Requests that the engine would have to answer."""
        return self.unique - self.stored


def count_requests(prepared: Prepared, most_rows: int, seed: int = 0) -> Counted:
    """Look at the rows of what is prepared; no engine is started and nothing is written.

    Args:
        most_rows: of more, about so many are rendered.
    """
    plan, draw = prepared.plan, random.Random(seed)  # noqa: S311 - not a secret
    counted = Counted(one_in=max(1, -(-prepared.rows // most_rows)))
    prompter = Prompter(plan.rules)
    asked: dict[bytes, Request] = {}
    rows = (row for part in plan.parts for row in read_rows(part, plan.columns, plan.partition, plan.redaction))
    for block in in_blocks(_looked_at(rows, counted, draw)):
        for requests, (_, is_chosen, _) in zip(_ask(prepared, prompter, block, counted), block, strict=True):
            asked.update((request.fingerprint, request) for request in requests if is_chosen)
    _look_up(prepared, asked, counted)
    _measure(prepared, [asked[key] for key in asked], counted, draw)
    return counted


def _digest(row: Row) -> int:
    values = [*row.values.values(), *([row.partition] if row.partition else [])]
    return zlib.crc32(b"\0".join(v if isinstance(v, bytes) else repr(v).encode() for v in values))


def _looked_at(rows: Iterable[Row], counted: Counted, draw: random.Random) -> Iterator[_LookedAt]:
    """The rows that are rendered, with why: chosen by what they say, or drawn; all are counted."""
    for row in rows:
        counted.rows += 1
        is_chosen = _digest(row) % counted.one_in == 0
        if is_drawn := draw.random() * counted.one_in < 1:
            counted.looked_at += 1
            counted.nulls.update(name for name, value in row.values.items() if value is None)
        if is_chosen or is_drawn:
            yield row, is_chosen, is_drawn


def _ask(prepared: Prepared, prompter: Prompter, block: Sequence[_LookedAt], counted: Counted) -> list[list[Request]]:
    """The requests of each row's first round; what becomes of the rows that were drawn is counted."""
    asked = [_questions(prepared, row, counted if is_drawn else Counted()) for row, _, is_drawn in block]
    found = iter(prompter.requests([one for questions in asked for one in questions]))
    return [
        _requests(list(islice(found, len(questions))), counted if is_drawn else Counted())
        for questions, (_, _, is_drawn) in zip(asked, block, strict=True)
    ]


def _questions(prepared: Prepared, row: Row, counted: Counted) -> list[tuple[Question, str | None]]:
    task = prepared.plan.task
    try:
        case = case_of(task, row, prepared.plan.rules.adapters)
    except RowError as error:
        counted.failed[str(error.error_class)] += 1
        return []
    return [(question, case.adapter) for question in task.ask(case.record, case.answers)]


def _requests(found: Sequence[Asked | RowError], counted: Counted) -> list[Request]:
    asked = [one for one in found if isinstance(one, Asked)]
    counted.truncated += any(one.is_cut for one in asked)
    if not asked:
        counted.failed.update(str(one.error_class) for one in found[:1] if isinstance(one, RowError))
    return [one.request for one in asked]


def _look_up(prepared: Prepared, asked: dict[bytes, Request], counted: Counted) -> None:
    """Count what is in the store, and leave the rest in `asked`."""
    index = index_of(prepared.plan.store)
    index.refresh()
    counted.unique = len(asked)
    for key in index.find(list(asked)):
        del asked[key]
    counted.stored = counted.unique - len(asked)
    counted.choices = sum(_is_choice(request) for request in asked.values())
    counted.most_output = sum(r.decoding.max_tokens for r in asked.values() if not _is_choice(r))


def _measure(prepared: Prepared, rest: list[Request], counted: Counted, draw: random.Random) -> None:
    encoder = prepared.plan.rules.encoder()
    drawn = draw.sample(rest, min(MEASURED, len(rest)))
    for request in drawn:
        length = len(encode_all(encoder, request.segments))
        counted.prompt_lengths.append(length)
        if not _is_choice(request):
            counted.written_lengths.append(length)
    counted.languages.update(_languages(drawn[:_LANGUAGES_OF]))


def _is_choice(request: Request) -> bool:
    return isinstance(request.decoding, Choice)


def _languages(requests: Iterable[Request]) -> Iterable[str]:
    for request in requests:
        found = detect(" ".join(segment.value for segment in request.segments if isinstance(segment, Text)))
        if found.confidence >= _CONFIDENT:
            yield found.language
