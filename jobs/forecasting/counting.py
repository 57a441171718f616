"""What a job would ask: the very requests that its run makes, counted, and some of them measured in tokens."""

import random
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobs.prepare import Prepared
from pipeline.decoding import Choice
from pipeline.elements import Request, Row
from pipeline.errors import RowError
from pipeline.prompts import Text
from pipeline.requests import Prompter
from pipeline.rows import read_rows
from pipeline.store_index import index_of
from pipeline.text.languages.detection import detect
from pipeline.tokens import encode_all
from pipeline.validation import case_of

MEASURED = 500
"""So many requests, drawn at random, are tokenised."""
_LANGUAGES_OF = 100
_CONFIDENT = 0.8


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
    for row in (row for part in plan.parts for row in read_rows(part, plan.columns, plan.partition, plan.redaction)):
        counted.rows += 1
        is_chosen = _digest(row) % counted.one_in == 0
        if is_drawn := draw.random() * counted.one_in < 1:
            counted.looked_at += 1
            counted.nulls.update(name for name, value in row.values.items() if value is None)
        if is_chosen or is_drawn:
            requests = _ask(prepared, prompter, row, counted if is_drawn else Counted())
            asked.update((request.fingerprint, request) for request in requests if is_chosen)
    _look_up(prepared, asked, counted)
    _measure(prepared, [asked[key] for key in asked], counted, draw)
    return counted


def _digest(row: Row) -> int:
    values = [*row.values.values(), *([row.partition] if row.partition else [])]
    return zlib.crc32(b"\0".join(v if isinstance(v, bytes) else repr(v).encode() for v in values))


def _ask(prepared: Prepared, prompter: Prompter, row: Row, counted: Counted) -> list[Request]:
    """The requests of a row's first round; what becomes of the row is counted."""
    task = prepared.plan.task
    try:
        case = case_of(task, row, prepared.plan.rules.adapters)
    except RowError as error:
        counted.failed[str(error.error_class)] += 1
        return []
    requests, failures, is_cut = [], [], False
    for question in task.ask(case.record, case.answers):
        try:
            request, truncated = prompter.request(question, case.adapter)
        except RowError as error:
            failures.append(str(error.error_class))
            continue
        requests.append(request)
        is_cut |= truncated
    counted.truncated += is_cut
    if failures and not requests:
        counted.failed[failures[0]] += 1
    return requests


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
