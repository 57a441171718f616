"""From rows to requests and from completions to outcomes: the steps before and after the engine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
from pydantic import ValidationError

from pipeline import metrics
from pipeline.elements import Asker, Completion, Failure, Outcome, Request, Row, RowRef
from pipeline.errors import RowError
from pipeline.inference import Answered, Asked
from pipeline.prompts import PromptRenderer, Segment, Text, fingerprint
from pipeline.task import AnyTask
from pipeline.tokens import BytesTokenizer, ModelTokenizer, TextEncoder, load_chat_template
from schemas.envelope import ErrorClass
from schemas.records import Record

OK, DEAD, MISSING = "ok", "dead", "missing"

Settled = tuple[int, Outcome]
"""The part a row belongs to, and its outcome."""


def settle_failure(ref: RowRef, error: RowError) -> Settled:
    """The outcome of a row that never reached the engine."""
    metrics.count(metrics.ROWS_DONE)
    failure = Failure(error.error_class, error.message, attempts=0, answer=error.answer)
    return ref.part, Outcome(ref.position, False, None, None, failure)


# -------------------------------------------------------------------------------------------------------- validate


class ValidateRows(beam.DoFn):
    """Rows to records. Main output: (row's place, record); `dead`: settled failures."""

    def __init__(self, task: AnyTask) -> None:
        self._task = task

    def process(self, row: Row) -> Iterator[Any]:
        metrics.count(metrics.ROWS)
        try:
            yield row.ref, validate_row(self._task, row)
        except RowError as error:
            yield beam.pvalue.TaggedOutput(DEAD, settle_failure(row.ref, error))


def validate_row(task: AnyTask, row: Row) -> Record:
    """The row's record.

    Raises:
        RowError: if a text is null, empty or not UTF-8, or the record model or the task refuses the row.
    """
    values = {}
    for name, value in row.values.items():
        required = task.record.model_fields[name].is_required()
        values[name] = (
            _decode(name, value, required) if isinstance(value, bytes) or (value is None and required) else value
        )
    try:
        record = task.record.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise RowError(ErrorClass.INVALID_ROW, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    task.check(record)
    return record


def _decode(name: str, value: bytes | None, required: bool) -> str:
    if value is None:
        raise RowError(ErrorClass.NULL_TEXT, f"{name} is null")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise RowError(ErrorClass.INVALID_TEXT, f"{name} is not UTF-8: {error.reason} at byte {error.start}") from None
    if required and not text.strip():
        raise RowError(ErrorClass.EMPTY_TEXT, f"{name} is empty")
    return text


# ----------------------------------------------------------------------------------------------------------- build


@dataclass(frozen=True)
class PromptRules:
    """How prompts are rendered and made to fit; the same on every worker.

    Attributes:
        model_folder: whose tokenizer and chat template; None for the scripted engine's.
        recipe_digest: goes into every fingerprint.
        max_prompt_tokens: what the context leaves for the prompt.
        truncate: cut texts that do not fit; otherwise such a row fails.
    """

    model_folder: str | None
    recipe_digest: str
    max_prompt_tokens: int
    truncate: bool

    def renderer(self) -> PromptRenderer:
        """Renders with the model's chat template."""
        return PromptRenderer(
            _plain_template if self.model_folder is None else load_chat_template(Path(self.model_folder))
        )

    def encoder(self) -> TextEncoder:
        """The model's tokenizer."""
        return BytesTokenizer() if self.model_folder is None else ModelTokenizer(Path(self.model_folder))


def _plain_template(messages: Sequence[Mapping[str, str]]) -> str:
    return "".join(f"[{m['role']}]\n{m['content']}\n" for m in messages) + "[assistant]\n"


class PromptFitter:
    """Makes rendered prompts fit into the context, by cutting row text at its end."""

    def __init__(self, encoder: TextEncoder, max_tokens: int) -> None:
        self._encoder, self._max_tokens = encoder, max_tokens
        self._constant_tokens: dict[str, int] = {}

    def fit(self, segments: tuple[Segment, ...], truncate: bool) -> tuple[tuple[Segment, ...], bool]:
        """The segments, cut if need be, and whether they were.

        A prompt whose text has no more bytes than there is room has no more tokens either (a token is at least a
        byte), so short texts, nearly all of them, are not tokenised here.

        Raises:
            RowError: if the prompt does not fit and may not, or cannot, be cut.
        """
        room = self._max_tokens - sum(self._count_constant(s) for s in segments if isinstance(s, str))
        texts = [s for s in segments if isinstance(s, Text)]
        if sum(len(t.value) * 4 for t in texts) <= room or sum(len(t.value.encode()) for t in texts) <= room:
            return segments, False
        cuttable = [t for t in texts if t.may_cut]
        room -= sum(len(self._encoder.encode(t)) for t in texts if not t.may_cut)
        if not truncate or not cuttable or room <= 0:
            return self._check_fits(segments, cuttable, room), False
        fitted, cut = [], False
        for segment in segments:
            if isinstance(segment, Text) and segment.may_cut:
                kept = self._encoder.cut(segment.value, max(0, room))
                room -= len(self._encoder.encode(Text(kept)))
                cut = cut or kept != segment.value
                segment = replace(segment, value=kept)
            fitted.append(segment)
        return tuple(fitted), cut

    def _check_fits(self, segments: tuple[Segment, ...], texts: Sequence[Text], room: int) -> tuple[Segment, ...]:
        needed = sum(len(self._encoder.encode(t)) for t in texts)
        if needed > room:
            message = f"the text has {needed} tokens, the context has room for {max(0, room)}"
            raise RowError(ErrorClass.PROMPT_TOO_LONG, message)
        return segments

    def _count_constant(self, segment: str) -> int:
        if segment not in self._constant_tokens:
            self._constant_tokens[segment] = len(self._encoder.encode(segment))
        return self._constant_tokens[segment]


class Prompter:
    """Renders records as prompts that fit; opened once per worker."""

    def __init__(self, task: AnyTask, rules: PromptRules) -> None:
        self._task, self._rules = task, rules
        self._renderer = rules.renderer()
        self._fitter = PromptFitter(rules.encoder(), rules.max_prompt_tokens)

    def render(self, record: Record) -> tuple[tuple[Segment, ...], bool]:
        """The prompt's segments, and whether a text had to be cut; always the same for the same record.

        Raises:
            RowError: if it does not fit and may not be cut.
        """
        return self._fitter.fit(self._renderer.render(self._task.prompt(record)), self._rules.truncate)


class FingerprintRecords(beam.DoFn):
    """Records to the fingerprints of their requests. Main output: (fingerprint, asker); `dead`: settled failures.

    The prompt itself is not passed on: it is many times as long as the row, and only requests that are sent need it.
    """

    def __init__(self, task: AnyTask, rules: PromptRules) -> None:
        self._task, self._rules = task, rules

    def setup(self) -> None:
        self._prompter = Prompter(self._task, self._rules)

    def process(self, element: tuple[RowRef, Record]) -> Iterator[Any]:
        ref, record = element
        try:
            segments, truncated = self._prompter.render(record)
        except RowError as error:
            yield beam.pvalue.TaggedOutput(DEAD, settle_failure(ref, error))
            return
        if truncated:
            metrics.count(metrics.TRUNCATED)
        yield fingerprint(self._rules.recipe_digest, segments), Asker(ref, truncated, record)


class BuildRequests(beam.DoFn):
    """(fingerprint, askers) to (request, askers): the prompt is rendered for the first of those who ask the same."""

    def __init__(self, task: AnyTask, rules: PromptRules) -> None:
        self._task, self._rules = task, rules

    def setup(self) -> None:
        self._prompter = Prompter(self._task, self._rules)

    def process(self, element: tuple[bytes, tuple[Asker, ...]]) -> Iterator[Asked]:
        key, askers = element
        segments, _ = self._prompter.render(askers[0].record)
        yield Request(key, segments), askers


# ----------------------------------------------------------------------------------------------------------- group


def split_by_known(grouped: tuple[bytes, Mapping[str, Iterable[Any]]]) -> Iterator[Any]:
    """One group of equal requests: answered from the store (main output), or to be asked once (`missing`).

    Args:
        grouped: fingerprint, {"askers": [asker], "known": [completion]}.
    """
    key, groups = grouped
    askers = tuple(groups["askers"])
    if not askers:
        return
    metrics.count(metrics.UNIQUE)
    known = min(groups["known"], key=lambda completion: completion.run_id, default=None)
    if known is not None:
        metrics.count(metrics.REUSED)
        metrics.count(metrics.ROWS_DONE, len(askers))
        yield key, known, askers
    else:
        yield beam.pvalue.TaggedOutput(MISSING, (key, askers))


# ----------------------------------------------------------------------------------------------------------- parse


class ParseCompletions(beam.DoFn):
    """Answers to outcomes: parse and validate once for each row that asked."""

    def __init__(self, task: AnyTask) -> None:
        self._task = task

    def process(self, answered: Answered) -> Iterator[Settled]:
        _, answer, askers = answered
        for asker in askers:
            yield asker.ref.part, settle_answer(self._task, asker, answer)


def settle_answer(task: AnyTask, asker: Asker, answer: Completion | Failure) -> Outcome:
    """What an answer means for one of the rows that asked for it."""
    position, truncated = asker.ref.position, asker.truncated
    if isinstance(answer, Failure):
        return Outcome(position, truncated, None, None, answer)
    try:
        values = task.parse(asker.record, answer).model_dump()
    except RowError as error:
        failure = Failure(error.error_class, error.message, attempts=1, answer=answer.text)
        return Outcome(position, truncated, answer, None, failure)
    return Outcome(position, truncated, answer, values, None)


def count_outcome(settled: Settled) -> Settled:
    """Count how a row ended, and pass it on."""
    _, outcome = settled
    if outcome.failure is None:
        metrics.count(metrics.OK)
    else:
        metrics.count(metrics.FAILED)
        metrics.count(metrics.failed_as(outcome.failure.error_class))
    return settled
