"""What a job would ask: the very requests that its run makes, counted, and some of them measured in tokens."""

import random
from collections import Counter
from dataclasses import dataclass, field

from jobs.prepare import Prepared
from pipeline.decoding import Choice
from pipeline.elements import Case, Request, Row, RowRef
from pipeline.errors import RowError
from pipeline.prompts import Text
from pipeline.requests import Prompter
from pipeline.rows import read_rows
from pipeline.store_index import index_of
from pipeline.text.languages.detection import detect
from pipeline.tokens import encode_all
from pipeline.validation import validate_row

MEASURED = 500
"""So many requests, drawn at random, are tokenised."""
_LANGUAGES_OF = 100
_CONFIDENT = 0.8


@dataclass
class Counted:
    """What the rows that were looked at would ask in the first round.

    Attributes:
        rows: how many were looked at.
        failed: rows that would fail before they ask, by error class.
        truncated: requests whose text would be cut.
        unique: different requests; `stored` of them are answered already.
        choices: unstored requests that are answered by one token.
        most_output: the most tokens that the other unstored ones may be answered with.
        prompt_lengths: tokens of the prompts of some unstored requests, drawn at random.
        languages: of some texts that are long enough to tell.
    """

    rows: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    unique: int = 0
    stored: int = 0
    choices: int = 0
    most_output: int = 0
    prompt_lengths: list[int] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)

    @property
    def unstored(self) -> int:
        """Requests that the engine would have to answer."""
        return self.unique - self.stored


def count_requests(prepared: Prepared, seed: int = 0) -> Counted:
    """Look at all rows of what is prepared; no engine is started and nothing is written."""
    plan, counted = prepared.plan, Counted()
    prompter = Prompter(plan.rules)
    asked: dict[bytes, Request] = {}
    for part in plan.parts:
        for row in read_rows(part, plan.columns):
            counted.rows += 1
            _ask(prepared, prompter, row, counted, asked)
    index = index_of(plan.store)
    index.refresh()
    stored = index.find(list(asked))
    rest = [request for key, request in asked.items() if key not in stored]
    counted.unique, counted.stored = len(asked), len(stored)
    counted.choices = sum(isinstance(request.decoding, Choice) for request in rest)
    counted.most_output = sum(r.decoding.max_tokens for r in rest if not isinstance(r.decoding, Choice))
    encoder = plan.rules.encoder()
    drawn = random.Random(seed).sample(rest, min(MEASURED, len(rest)))  # noqa: S311 - not a secret
    counted.prompt_lengths = [len(encode_all(encoder, request.segments)) for request in drawn]
    counted.languages.update(filter(None, map(_language, drawn[:_LANGUAGES_OF])))
    return counted


def _ask(prepared: Prepared, prompter: Prompter, row: Row, counted: Counted, asked: dict[bytes, Request]) -> None:
    task = prepared.plan.task
    try:
        case = Case(RowRef(0, 0), validate_row(task, row))
    except RowError as error:
        counted.failed[str(error.error_class)] += 1
        return
    num_asked, failures = 0, []
    for question in task.ask(case.record, case.answers):
        try:
            request, truncated = prompter.request(question)
        except RowError as error:
            failures.append(str(error.error_class))
            continue
        num_asked += 1
        counted.truncated += truncated
        asked.setdefault(request.fingerprint, request)
    if failures and not num_asked:
        counted.failed[failures[0]] += 1


def _language(request: Request) -> str | None:
    text = " ".join(segment.value for segment in request.segments if isinstance(segment, Text))
    found = detect(text)
    return found.language if found.confidence >= _CONFIDENT else None
