"""Attempts under way: who works on what."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.elements import Completion
from pipeline.engines.server.asking import Asking
from pipeline.engines.server.endpoints import Attempt, Endpoint, Job
from pipeline.engines.server.retries import Kind, Latencies, Trouble
from pipeline.engines.server.tasks import Tasks

_LOG = logging.getLogger(__name__)

_CHECK_SECONDS = 20.0
_UNUSUAL_TIMES, _UNUSUAL_SECONDS = 4.0, 2.0

Outcome = Completion | Trouble


class Attempts:
    """Attempts from `begin` until they end or are cancelled; their places are free at once.

    Args:
        asking: reaches servers.
        ended: gets each outcome, except of those that were cancelled.
        tasks: runs them.
    """

    def __init__(self, asking: Asking, ended: Callable[[Attempt, Outcome], None], tasks: Tasks) -> None:
        self._asking, self._ended, self._tasks = asking, ended, tasks
        self._under_way: dict[Attempt, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def unusual(self, now: float, latencies: Latencies) -> list[Attempt]:
        """Those that take several times what is usual, of jobs that no other server is at."""
        return [attempt for attempt in self._under_way if _is_unusual(attempt, now, latencies)]

    def begin(self, job: Job, endpoint: Endpoint, now: float, seconds: float) -> None:
        """Let a server try a job for so long."""
        attempt = Attempt(job, endpoint, now)
        job.attempts.add(attempt)
        endpoint.attempts.add(attempt)
        self._under_way[attempt] = self._tasks.start(self._work(attempt, seconds))

    def cancel(self, attempts: Iterable[Attempt]) -> None:
        """End them; servers are told by the connection that closes."""
        for attempt in list(attempts):
            self._release(attempt).cancel()

    def _release(self, attempt: Attempt) -> "asyncio.Task[None]":
        attempt.job.attempts.remove(attempt)
        attempt.endpoint.attempts.remove(attempt)
        return self._under_way.pop(attempt)

    async def _work(self, attempt: Attempt, seconds: float) -> None:
        outcome = await self._outcome(attempt, seconds)
        if attempt in self._under_way:
            self._release(attempt)
            self._ended(attempt, outcome)

    async def _outcome(self, attempt: Attempt, seconds: float) -> Outcome:
        try:
            async with asyncio.timeout(seconds):
                outcome = await self._asking.ask(attempt.endpoint, attempt.job, seconds)
        except TimeoutError:
            return Trouble(Kind.LATE, f"no answer within {seconds:.0f} s")
        except Exception as error:  # noqa: BLE001 - one request that cannot be sent is no reason to lose the others
            _LOG.exception("a request could not be sent")
            return Trouble(Kind.FAULTY, f"{type(error).__name__}: {error}"[:300])
        if isinstance(outcome, Trouble) and outcome.kind is Kind.UNFIT:
            trouble = await self._asking.is_well(attempt.endpoint, _CHECK_SECONDS)
            return replace(outcome, kind=Kind.REFUSED) if trouble is None else trouble
        return outcome


def _is_unusual(attempt: Attempt, now: float, latencies: Latencies) -> bool:
    usual = latencies.usual(attempt.job.request.decoding)
    if usual is None or len(attempt.job.attempts) > 1:
        return False
    return now - attempt.began > max(_UNUSUAL_SECONDS, _UNUSUAL_TIMES * usual)
