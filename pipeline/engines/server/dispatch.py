"""Keeps servers busy: hands out jobs, judges what comes back, looks after servers that fail. Lives in one event loop.

Every job ends in exactly one answer, given to `deliver`, unless it is forgotten or the run ends.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence

from pipeline.elements import Answer, Completion, Failure
from pipeline.engines.server.asking import Asking, Attempt
from pipeline.engines.server.endpoints import Endpoint, Job, Lines
from pipeline.engines.server.nursing import Nursing
from pipeline.engines.server.patience import AGAIN, Patience, Rules
from pipeline.engines.server.retries import Blame, Kind, Latencies, Trouble
from pipeline.errors import RunError
from schemas.envelope import ErrorClass

_LOG = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_HEDGE_TIMES, _HEDGE_SECONDS = 4.0, 2.0
"""A request that takes so many times the usual is given to an idle server as well."""

Deliver = Callable[[bytes, Answer], None]


class Dispatcher:
    """The jobs, the servers and who works on what.

    Args:
        endpoints: the servers.
        asking: reaches them.
        rules: how patient to be.
        deliver: gets each answer.
        end: gets the error that ends the run.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        asking: Asking,
        rules: Rules,
        deliver: Deliver,
        end: Callable[[RunError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoints, self._asking, self._rules = list(endpoints), asking, rules
        self._deliver, self._end, self._clock = deliver, end, clock
        self._lines = Lines(endpoints)
        self._jobs: dict[bytes, Job] = {}
        self._attempts: dict[tuple[bytes, Endpoint], Attempt] = {}
        self._blame, self._latencies = Blame(), Latencies(rules.request_seconds)
        self._nursing = Nursing(asking, rules.backoff, clock, self)
        self._patience = Patience(rules.patience_seconds)

    async def run(self) -> None:
        """Look after servers and late requests until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._nursing.look_after(self._endpoints)
            self._hedge()
            error = self._patience.ends(self._clock(), not self._attempts)
            if error is not None and self._jobs:
                self._end(error)
            self._pump()

    def put(self, job: Job) -> None:
        """Take a job."""
        self._jobs[job.key] = job
        self._lines.put(job)
        self._pump()

    def forget(self, keys: Collection[bytes]) -> None:
        """Drop jobs; servers are told by the connection that closes."""
        self._lines.forget(keys)
        for key in keys:
            if self._jobs.pop(key, None) is not None:
                self._cancel(key)

    async def close(self) -> None:
        """Drop everything."""
        self.forget(list(self._jobs))
        tasks = [*self._nursing.tasks, *(a.task for a in self._attempts.values() if a.task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _pump(self) -> None:
        """Give every server what it has room for, one after the other."""
        now, given = self._clock(), True
        while given:
            given = False
            for endpoint in sorted(self._endpoints, key=lambda one: one.in_flight / one.window.limit):
                if endpoint.is_free(now) and (job := self._lines.take(endpoint, now)) is not None:
                    self._start(job, endpoint, now)
                    given = True

    def _start(self, job: Job, endpoint: Endpoint, now: float) -> None:
        job.tries += 1
        job.alive[endpoint] = now
        if endpoint.in_flight == 0:
            endpoint.last_sign = now
        endpoint.in_flight += 1
        if endpoint.in_flight >= endpoint.window.limit:
            endpoint.window.filled()
        attempt = Attempt(job, endpoint, now)
        self._attempts[job.key, endpoint] = attempt
        attempt.task = asyncio.get_running_loop().create_task(self._try(attempt))

    async def _try(self, attempt: Attempt) -> None:
        job, endpoint = attempt.job, attempt.endpoint
        wait = self._latencies.longest_wait(job.request.decoding, job.late)
        left = max(1.0, job.submitted + self._rules.request_seconds - attempt.began)
        outcome: Completion | Trouble | None = None
        try:
            async with asyncio.timeout(min(wait, left)):
                outcome = await self._asking.ask(endpoint, job, min(wait, left))
        except TimeoutError:
            outcome = Trouble(Kind.LATE, f"no answer within {min(wait, left):.0f} s")
        except Exception as error:  # noqa: BLE001 - one request that cannot be sent is no reason to lose the others
            _LOG.exception("a request could not be sent")
            outcome = Trouble(Kind.REFUSED, f"{type(error).__name__}: {error}"[:300])
        finally:
            endpoint.in_flight -= 1
            job.alive.pop(endpoint, None)
            self._attempts.pop((job.key, endpoint), None)
        if self._jobs.get(job.key) is job:
            self._settle(attempt, outcome)
        self._pump()

    def _settle(self, attempt: Attempt, outcome: Completion | Trouble) -> None:
        now = self._clock()
        if isinstance(outcome, Completion):
            self._blame.note(fault=False)
            self._latencies.note(attempt.job.request.decoding, now - attempt.began)
            attempt.endpoint.window.answered(outcome.tokens - outcome.cached_prompt_tokens, now)
            self._finish(attempt, outcome, now)
        elif outcome.kind is Kind.REFUSED:
            failure = Failure(ErrorClass.REQUEST_REJECTED, outcome.message, attempt.job.tries)
            self._finish(attempt, failure, now)
        else:
            self._trouble(attempt, outcome, now)

    def _finish(self, attempt: Attempt, answer: Answer, now: float) -> None:
        attempt.endpoint.answered(now)
        self._patience.answered()
        del self._jobs[attempt.job.key]
        self._cancel(attempt.job.key)
        self._deliver(attempt.job.key, answer)

    def _cancel(self, key: bytes) -> None:
        """End what other servers still do for a job."""
        for endpoint in self._endpoints:
            attempt = self._attempts.get((key, endpoint))
            if attempt is not None and attempt.task is not None and attempt.task is not asyncio.current_task():
                attempt.task.cancel()

    def _trouble(self, attempt: Attempt, trouble: Trouble, now: float) -> None:
        job, endpoint = attempt.job, attempt.endpoint
        _LOG.info("%s: %s", endpoint.url, trouble.message)
        self._patience.troubled(f"{endpoint.url}: {trouble.message}", now)
        delay = 0.0
        match trouble.kind:
            case Kind.BUSY:
                endpoint.window.overloaded(attempt.began, now)
                wait = trouble.retry_after
                wait = self._rules.backoff.seconds(job.tries) if wait is None else wait
                endpoint.pause(wait, now)
                self._pump_in(wait)
            case Kind.AWAY:
                self._lost(endpoint, trouble)
            case Kind.UNFIT:
                self.unfit(endpoint, trouble)
            case Kind.LATE:
                job.late += 1
                endpoint.window.overloaded(attempt.began, now)
                self._strike(endpoint, trouble)
            case _:
                job.faults += 1
                self._blame.note(fault=True)
                delay = max(self._rules.backoff.seconds(job.faults), trouble.retry_after or 0.0)
                self._strike(endpoint, trouble)
        if job.key in self._jobs and not job.alive:
            self._again(job, endpoint, trouble, now + delay)

    def _again(self, job: Job, endpoint: Endpoint, trouble: Trouble, not_before: float) -> None:
        if trouble.kind is Kind.FAULTY and self._blame.is_guilty(job.faults):
            message = f"servers failed {job.faults} times at it: {trouble.message}"
            del self._jobs[job.key]
            self._deliver(job.key, Failure(ErrorClass.REQUEST_REJECTED, message, job.tries))
            return
        others = [one for one in self._endpoints if one.usable and one is not endpoint]
        job.avoid = endpoint
        job.not_before = self._clock() if others and trouble.kind is not Kind.FAULTY else not_before
        self._lines.put(job, first=True)
        self._pump_in(job.not_before - self._clock())

    def _pump_in(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(0.0, seconds), self._pump)

    def _strike(self, endpoint: Endpoint, trouble: Trouble) -> None:
        if endpoint.strike():
            self._lost(endpoint, trouble)

    def _lost(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """Give a server no more requests until it is well, which a nurse finds out."""
        if not endpoint.usable:
            return
        _LOG.warning("%s is away: %s", endpoint.url, trouble.message)
        endpoint.up = False
        self._lines.reassign(endpoint)
        self._nursing.begin(endpoint)

    def back(self, endpoint: Endpoint) -> None:
        """A server is there again."""
        _LOG.warning("%s is back", endpoint.url)
        endpoint.up, endpoint.strikes, endpoint.last_sign = True, 0, self._clock()
        endpoint.window.restart()
        self._pump()

    def unfit(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """A server will never answer requests of this run."""
        if endpoint.unfit is None:
            _LOG.error("%s gets no more requests: %s", endpoint.url, trouble.message)
        endpoint.unfit = trouble.message
        if all(one.unfit is not None for one in self._endpoints):
            self._end(RunError(f"{endpoint.url} refuses: {trouble.message}", "check model and key; " + AGAIN))
        else:
            self._lines.reassign(endpoint)

    def gone(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """A server that had requests is not well: others get them."""
        now = self._clock()
        had = [attempt for attempt in self._attempts.values() if attempt.endpoint is endpoint]
        self._lost(endpoint, trouble)
        for attempt in had:
            if attempt.task is not None:
                attempt.task.cancel()
            if attempt.job.key in self._jobs and set(attempt.job.alive) <= {endpoint}:
                self._again(attempt.job, endpoint, trouble, now)

    def _hedge(self) -> None:
        """When nothing waits, give what takes unusually long to an idle server as well; the first answer counts."""
        if len(self._lines):
            return
        now = self._clock()
        for attempt in list(self._attempts.values()):
            usual = self._latencies.usual(attempt.job.request.decoding)
            if usual is None or len(attempt.job.alive) > 1:
                continue
            if now - attempt.began > max(_HEDGE_SECONDS, _HEDGE_TIMES * usual):
                idle = [one for one in self._endpoints if one is not attempt.endpoint and one.is_free(now)]
                if idle:
                    self._start(attempt.job, min(idle, key=lambda one: one.in_flight), now)
