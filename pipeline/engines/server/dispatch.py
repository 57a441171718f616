"""Keeps servers busy: hands out jobs, judges what comes back, looks after servers that fail. Lives in one event loop.

Every job ends in exactly one answer, given to `deliver`, unless it is forgotten or the run ends.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence

from pipeline.elements import Answer, Completion, Failure
from pipeline.engines.server.asking import Asking
from pipeline.engines.server.attempts import Attempts, Outcome
from pipeline.engines.server.endpoints import Attempt, Endpoint, Job, Lines
from pipeline.engines.server.nursing import Nursing
from pipeline.engines.server.patience import AGAIN, Patience, Rules
from pipeline.engines.server.retries import LEAST_FAULTS, Blame, Kind, Latencies, Trouble
from pipeline.engines.server.tasks import Tasks
from pipeline.errors import RunError
from schemas.envelope import ErrorClass

_LOG = logging.getLogger(__name__)

_TICK_SECONDS = 0.25

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
        self._tasks = Tasks(end)
        self._attempts = Attempts(asking, self._settle, self._tasks)
        self._blame, self._latencies = Blame(), Latencies(rules.request_seconds)
        self._nursing = Nursing(asking, rules.backoff, clock, self, self._tasks)
        self._patience = Patience(rules.patience_seconds)
        self._judging: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look after servers and late requests, until `close`."""
        for endpoint in self._endpoints:
            if not endpoint.up:
                self._nursing.begin(endpoint)
        self._tasks.start(self._look_after())

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._nursing.look_after(self._endpoints)
            self._hedge()
            judging = self._judging is not None and not self._judging.done()
            if self._jobs and not judging and self._patience.is_over(self._clock(), not self._attempts):
                self._judging = self._tasks.start(self._judge())
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
            if (job := self._jobs.pop(key, None)) is not None:
                self._attempts.cancel(job.attempts)
        self._pump()

    async def close(self) -> None:
        """Drop everything."""
        self.forget(list(self._jobs))
        await self._tasks.close()

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
        if endpoint.in_flight == 0:
            endpoint.last_sign = now
        wait = self._latencies.longest_wait(job.request.decoding, job.late)
        left = max(1.0, job.submitted + self._rules.request_seconds - now)
        self._attempts.begin(job, endpoint, now, min(wait, left))
        if endpoint.in_flight >= endpoint.window.limit:
            endpoint.window.filled()

    def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
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
        self._pump()

    def _finish(self, attempt: Attempt, answer: Answer, now: float) -> None:
        attempt.endpoint.answered(now)
        self._patience.answered()
        del self._jobs[attempt.job.key]
        self._attempts.cancel(attempt.job.attempts)
        self._deliver(attempt.job.key, answer)

    def _trouble(self, attempt: Attempt, trouble: Trouble, now: float) -> None:
        job, endpoint = attempt.job, attempt.endpoint
        self.troubled(endpoint, trouble)
        delay = 0.0
        match trouble.kind:
            case Kind.BUSY:
                endpoint.window.overloaded(attempt.began, now)
                wait = trouble.retry_after or 0.0
                if wait < self._rules.backoff.first:
                    wait = self._rules.backoff.seconds(job.tries)
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
        if not job.attempts:
            self._again(job, endpoint, trouble, now + delay)

    def _again(self, job: Job, endpoint: Endpoint, trouble: Trouble, not_before: float) -> None:
        if trouble.kind is Kind.FAULTY and self._blame.is_guilty(job.faults):
            if job.suspected:
                self._give_up(job, trouble.message)
            else:
                self._tasks.start(self._suspect(job, endpoint))
            return
        others = [one for one in self._endpoints if one.usable and one is not endpoint]
        job.avoid = endpoint
        job.not_before = self._clock() if others and trouble.kind is not Kind.FAULTY else not_before
        self._lines.put(job, first=True)
        self._pump_in(job.not_before - self._clock())

    async def _suspect(self, job: Job, endpoint: Endpoint) -> None:
        """Ask the server how it is: if it is well, one more fault of the job's will be its own."""
        found = await self._asking.is_well(endpoint, self._rules.patience_seconds)
        if job.key in self._jobs:
            job.suspected = found is None
            job.not_before = self._clock() + (0.0 if found is None else self._rules.backoff.seconds(job.faults))
            self._lines.put(job, first=True)
            self._pump_in(job.not_before - self._clock())

    def _give_up(self, job: Job, message: str) -> None:
        del self._jobs[job.key]
        message = f"servers failed {job.faults + job.late} times at it: {message}"
        self._deliver(job.key, Failure(ErrorClass.REQUEST_REJECTED, message, job.tries))

    async def _judge(self) -> None:
        """Patience is over: if a server is well, requests that failed often are to blame; else the run ends."""
        fit = [endpoint for endpoint in self._endpoints if endpoint.unfit is None]
        found = await asyncio.gather(*(self._asking.is_well(one, self._rules.patience_seconds) for one in fit))
        if not self._patience.is_over(self._clock(), not self._attempts):
            return
        last = self._patience.last
        if None not in found:
            self._end(RunError(f"no server has answered for {self._rules.patience_seconds:.0f} s; {last}", AGAIN))
            return
        self._patience.answered()
        for endpoint in [one for one, trouble in zip(fit, found, strict=True) if trouble is None]:
            endpoint.paused_until = 0.0
        for job in [job for job in self._jobs.values() if job.faults + job.late >= LEAST_FAULTS]:
            self._attempts.cancel(job.attempts)
            self._lines.forget([job.key])
            self._give_up(job, last)

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
        self._lines.reassign(endpoint)
        if all(one.unfit is not None for one in self._endpoints):
            self._end(RunError(f"{endpoint.url} refuses: {trouble.message}", "check model and key; " + AGAIN))

    def gone(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """A server that had requests is not well: others get them."""
        had = [attempt.job for attempt in endpoint.attempts]
        self.troubled(endpoint, trouble)
        self._lost(endpoint, trouble)
        self._attempts.cancel(endpoint.attempts)
        for job in had:
            if not job.attempts:
                self._again(job, endpoint, trouble, self._clock())

    def troubled(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """A server failed, or is away still."""
        _LOG.info("%s: %s", endpoint.url, trouble.message)
        self._patience.troubled(f"{endpoint.url}: {trouble.message}", self._clock())

    def _hedge(self) -> None:
        """When nothing waits, give what takes unusually long to an idle server as well; the first answer counts."""
        if len(self._lines):
            return
        now = self._clock()
        for attempt in self._attempts.unusual(now, self._latencies):
            idle = [one for one in self._endpoints if one is not attempt.endpoint and one.is_free(now)]
            if idle:
                self._start(attempt.job, min(idle, key=lambda one: one.in_flight), now)
