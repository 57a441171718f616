"""The step that keeps an engine full."""

import time
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import lifetime, metrics
from pipeline.elements import Asker, Completion, Failure, Request
from pipeline.engines.base import Engine, EngineSpec
from pipeline.errors import RunError

Asked = tuple[Request, tuple[Asker, ...]]
"""A request and the rows that ask it."""

Answered = tuple[bytes, Completion | Failure, tuple[Asker, ...]]
"""A fingerprint, what became of its request, and the rows that asked it."""


class Complete(beam.DoFn):
    """Send each request to the engine, once, and emit what comes back as it comes back.

    The engine starts with the first request, so a run that has none never starts one. As many requests as the engine
    wants are kept in flight across elements; the bundle's end waits for the last. One engine per instance, closed in
    `teardown` or, when Beam does not get there, by the driver (`pipeline.lifetime`).
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self._engine: Engine | None = None
        self._askers: dict[bytes, tuple[Asker, ...]] = {}

    def start_bundle(self) -> None:
        self._askers = {}

    def process(self, asked: Asked) -> Iterator[Answered]:
        request, askers = asked
        metrics.count(metrics.SENT)
        engine = self._engine or self._start_engine()
        self._askers[request.fingerprint] = askers
        engine.submit(request)
        while engine.in_flight >= engine.window:
            yield from self._collect(engine)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        engine = self._engine
        while engine is not None and engine.in_flight:
            for answered in self._collect(engine):
                yield GlobalWindows.windowed_value(answered)

    def teardown(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
            lifetime.closed(engine)

    def _start_engine(self) -> Engine:
        lifetime.check_stop()
        started = time.monotonic()
        try:
            engine = self._spec.open()
        except RunError as error:
            raise lifetime.fail(error) from None
        lifetime.opened(engine)
        metrics.count(metrics.ENGINE_STARTS)
        metrics.count(metrics.ENGINE_START_US, round(1e6 * (time.monotonic() - started)))
        self._engine = engine
        return engine

    def _collect(self, engine: Engine) -> Iterator[Answered]:
        lifetime.check_stop()
        started = time.monotonic()
        try:
            answers = engine.collect()
        except RunError as error:
            raise lifetime.fail(error) from None
        metrics.count(metrics.ENGINE_US, round(1e6 * (time.monotonic() - started)))
        for fingerprint, answer in answers:
            if isinstance(answer, Completion):
                metrics.count(metrics.PROMPT_TOKENS, answer.prompt_tokens)
                metrics.count(metrics.CACHED_PROMPT_TOKENS, answer.cached_prompt_tokens)
                metrics.count(metrics.OUTPUT_TOKENS, answer.output_tokens)
            askers = self._askers.pop(fingerprint)
            metrics.count(metrics.ROWS_DONE, len(askers))
            yield fingerprint, answer, askers
