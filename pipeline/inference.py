"""The step that keeps an engine full."""

import time
from collections.abc import Iterable, Iterator
from operator import attrgetter

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import lifetime, metrics
from pipeline.budget import NO_BUDGET, Budget, purse_of
from pipeline.decoding import Choice
from pipeline.elements import Asker, Block, Completion, Pending, Request
from pipeline.engine_holder import Lease, holder
from pipeline.engines.base import Engine, EngineSpec
from pipeline.errors import RunError
from pipeline.fingerprints import HEAD_BYTES
from pipeline.prompts import Text


class Complete(beam.DoFn):
    """Send each pending request that has no answer to the engine, once, and emit what comes back as it comes back.

    As many requests as the engine wants are kept in flight across blocks; the bundle's end waits for the last. All
    rounds share one engine per process; it is closed in `teardown` or, when Beam does not get there, by the driver
    (`pipeline.lifetime`).

    Args:
        model: whose work is also counted by itself.
        settles: rows are done with its answers; otherwise that is counted elsewhere.
    """

    def __init__(
        self, spec: EngineSpec, budget: Budget = NO_BUDGET, model: str | None = None, settles: bool = True
    ) -> None:
        self._spec, self._budget = spec, budget
        self._model, self._settles = model, settles
        self._lease: Lease | None = None
        self._pending: dict[bytes, Pending] = {}
        self._num_sent = 0
        self._hold: object | None = None

    def setup(self) -> None:
        self._hold = holder.hold()

    def start_bundle(self) -> None:
        self._pending = {}

    def process(self, block: Block[Pending]) -> Iterator[Block[Pending]]:
        settled = Block(one for one in block if one.answer is not None)
        purse = purse_of(self._budget)
        for pending in longest_first(block):
            if pending.answer is None and pending.request is not None:
                if refusal := purse.refuse(pending):
                    settled.append(pending._replace(answer=refusal))
                else:
                    yield from self._send(pending, pending.request)
        self._count_sent()
        if settled:
            yield settled

    def finish_bundle(self) -> Iterator[WindowedValue]:
        while self._lease is not None and self._lease.engine.in_flight:
            if answered := self._collect(self._lease.engine):
                yield GlobalWindows.windowed_value(answered)
        self._give_back()

    def teardown(self) -> None:
        self._give_back()
        if self._hold is not None:
            hold, self._hold = self._hold, None
            holder.let_go(hold)

    def _send(self, pending: Pending, request: Request) -> Iterator[Block[Pending]]:
        self._num_sent += 1
        engine = (self._lease or self._take()).engine
        self._pending[request.fingerprint] = pending
        engine.submit(request)
        while engine.in_flight >= engine.window:
            if answered := self._collect(engine):
                yield answered

    def _take(self) -> Lease:
        self._count_sent()  # now, for it may take a minute, and who watches is told that the engine starts
        try:
            self._lease = holder.take(self._spec)
        except RunError as error:
            raise lifetime.fail(error) from None
        return self._lease

    def _give_back(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            holder.give_back(lease)

    def _collect(self, engine: Engine) -> Block[Pending]:
        """What the engine has answered after a step of its work, perhaps nothing."""
        self._count_sent()
        lifetime.check_stop()
        started = time.monotonic()
        try:
            answers = engine.collect()
        except RunError as error:
            raise lifetime.fail(error) from None
        self._count(metrics.ENGINE_US, round(1e6 * (time.monotonic() - started)))
        completions = [(key, answer) for key, answer in answers if isinstance(answer, Completion)]
        _count_tokens([answer for _, answer in completions])
        saved = sum((len(self._pending[key].askers) - 1) * answer.tokens for key, answer in completions)
        metrics.count(metrics.DUPLICATE_TOKENS, saved)
        asked = [(self._pending.pop(fingerprint), answer) for fingerprint, answer in answers]
        block = Block([Pending(one.fingerprint, one.askers, one.request, answer) for one, answer in asked])
        if self._settles:
            count_answered(asker for pending in block for asker in pending.askers)
        return block

    def _count_sent(self) -> None:
        self._count(metrics.SENT, self._num_sent)
        self._num_sent = 0

    def _count(self, name: str, by: int) -> None:
        metrics.count(name, by)
        if self._model is not None:
            metrics.count(metrics.of_model(name, self._model), by)


def longest_first(block: Block[Pending]) -> list[Pending]:
    """The block in the order that leaves the engine busy to the end: texts that are written by the longest row texts.

    A long text mostly has a long answer, and one that starts last is written when all others are done, in a batch of
    its own. What asks about one text stays together; where only choices are asked, nothing moves.
    """
    lengths: dict[bytes, int] = {}
    for pending in block:
        request = pending.request
        if request is not None and not isinstance(request.decoding, Choice):
            head = pending.fingerprint[:HEAD_BYTES]
            length = sum(len(segment.value) for segment in request.segments if isinstance(segment, Text))
            lengths[head] = max(length, lengths.get(head, 0))
    return sorted(block, key=lambda pending: lengths.get(pending.fingerprint[:HEAD_BYTES], 0), reverse=True)


_TOKENS = {
    metrics.PROMPT_TOKENS: attrgetter("prompt_tokens"),
    metrics.CACHED_PROMPT_TOKENS: attrgetter("cached_prompt_tokens"),
    metrics.OUTPUT_TOKENS: attrgetter("output_tokens"),
    metrics.REASONING_TOKENS: attrgetter("reasoning_tokens"),
}


def _count_tokens(completions: list[Completion]) -> None:
    for name, tokens in _TOKENS.items():
        metrics.count(name, sum(map(tokens, completions)))


def count_answered(askers: Iterable[Asker]) -> None:
    """Count the rows' progress through the first round; what is asked later is counted as such."""
    done, again = 0.0, 0
    for asker in askers:
        if asker.case.answers:
            again += 1
        else:
            done += 1 / asker.of
    metrics.count(metrics.ASKED_AGAIN, again)
    metrics.count_rows_done(done)
