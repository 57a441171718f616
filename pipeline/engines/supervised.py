"""An engine that outlives its deaths: started again, without the request that kills it, and with a deadline for each.

When an engine dies, what was in flight is sent again, in smaller groups, each alone in the engine, until every one is
answered or was alone with the engine when it died a third time: that one is a failure, and the run goes on without it.
An engine that dies again and again without answering anything ends the run.
"""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline import metrics
from pipeline.elements import Failure, Request
from pipeline.engines.base import Answered, Engine, EngineSpec
from pipeline.errors import AdapterChanged, EngineDied, RunError, UsageError
from schemas.envelope import ErrorClass

_LOG = logging.getLogger(__name__)

_MAX_BARREN_DEATHS = 10
"""So many in a row, with no answer between them, end the run. Finding one bad request among many takes up to five."""
_DEATHS_OF_ONE, _DEATHS_ALONE = 3, 2
"""A request that was in flight so many times, and alone the last two, is what the engine dies of. Once alone would do,
were there no other reasons to die: a request that a guilty one has made suspect would fail by chance."""
_SINGLES = 4
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Clock:
    """Time, which tests make up."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class SupervisedEngine:
    """The engine of a spec, started at once, and again when it dies.

    Args:
        spec: how to start it.
        request_seconds: how long a request may take from its submission to its answer; then it is given up.
        clock: see there.

    Raises:
        RunError: if it cannot be started the first time.
    """

    def __init__(self, spec: EngineSpec, request_seconds: float, clock: Clock | None = None) -> None:
        self._spec, self._request_seconds, self._clock = spec, request_seconds, clock or Clock()
        self._engine: Engine | None = spec.open()
        self._window = self._engine.window
        self._waiting: deque[Request] = deque()
        self._suspects: deque[list[Request]] = deque()
        self._in_engine: dict[bytes, Request] = {}
        self._submitted: dict[bytes, float] = {}
        self._deaths: Counter[bytes] = Counter()
        self._deaths_alone: Counter[bytes] = Counter()
        self._barren_deaths = 0
        self._failed: dict[bytes, Failure] = {}
        self._done: list[Answered] = []
        self._looked_at = self._clock.now()

    @property
    def window(self) -> int:
        """As the engine says, which may say another every time."""
        if self._engine is not None:
            self._window = self._engine.window
        return self._window

    @property
    def in_flight(self) -> int:
        """Requests that were submitted and not yet collected."""
        return len(self._in_engine) + len(self._waiting) + sum(map(len, self._suspects)) + len(self._done)

    def submit(self, request: Request) -> None:
        """Take a request; one that has failed in this process before is not tried again."""
        if (failure := self._failed.get(request.fingerprint)) is not None:
            self._done.append((request.fingerprint, failure))
            return
        self._submitted[request.fingerprint] = self._clock.now()
        if self._suspects or self._engine is None:
            self._waiting.append(request)
        else:
            self._hand_over([request])

    def collect(self) -> list[Answered]:
        """What was answered meanwhile, or given up.

        Raises:
            RunError: if the engine died too often without answering anything.
        """
        try:
            if self._in_engine or self._suspects or self._waiting:
                engine = self._engine or self._start_again()
                self._hand_over_what_waits()
                self._done += engine.collect()
        except EngineDied as error:
            self._bury(error)
        self._give_up_late_ones()
        done, self._done = self._done, []
        for fingerprint, answer in done:
            self._in_engine.pop(fingerprint, None)
            self._submitted.pop(fingerprint, None)
            if not isinstance(answer, Failure):
                self._barren_deaths = 0
        return done

    def abort(self, fingerprints: Iterable[bytes]) -> None:
        """Forget these requests."""
        dropped = set(fingerprints)
        if self._engine is not None:
            self._engine.abort([key for key in dropped if key in self._in_engine])
        for key in dropped:
            self._in_engine.pop(key, None)
            self._submitted.pop(key, None)
        self._waiting = deque(request for request in self._waiting if request.fingerprint not in dropped)
        groups = ([one for one in group if one.fingerprint not in dropped] for group in self._suspects)
        self._suspects = deque(group for group in groups if group)

    def close(self) -> None:
        """Close the engine, if it lives."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _hand_over(self, requests: Iterable[Request]) -> None:
        if self._engine is not None:
            for request in requests:
                self._in_engine[request.fingerprint] = request
                self._engine.submit(request)

    def _hand_over_what_waits(self) -> None:
        """The next suspects, once the engine is empty; when none are left, all that waits."""
        if self._suspects and not self._in_engine:
            self._hand_over(self._suspects.popleft())
        elif not self._suspects and self._waiting:
            waiting, self._waiting = self._waiting, deque()
            self._hand_over(waiting)

    def _bury(self, error: EngineDied) -> None:
        """Take leave of a dead engine; what was in flight is under suspicion."""
        metrics.count(metrics.ENGINE_DEATHS)
        self._barren_deaths += 1
        _LOG.error("the engine died with %d requests in flight: %s", len(self._in_engine), error.message)
        suspects, self._in_engine = list(self._in_engine.values()), {}
        try:
            self.close()
        except Exception:  # noqa: BLE001 - nothing is expected of the dead
            _LOG.exception("the dead engine could not be closed")
        self._engine = None
        self._deaths.update(request.fingerprint for request in suspects)
        if len(suspects) == 1 and self._is_guilty(suspects[0].fingerprint):
            num = self._deaths[suspects[0].fingerprint]
            failure = Failure(ErrorClass.ENGINE_DIED, f"the engine died {num} times of it: {error.message}", num)
            self._fail(suspects[0].fingerprint, failure)
        else:
            size = 1 if len(suspects) <= _SINGLES else math.ceil(math.sqrt(len(suspects)))
            groups = [suspects[i : i + size] for i in range(0, len(suspects), size)]
            self._suspects.extendleft(reversed(groups))
        if self._barren_deaths >= _MAX_BARREN_DEATHS:
            message = f"the engine died {self._barren_deaths} times in a row without an answer: {error.message}"
            raise RunError(message, error.hint) from error

    def _is_guilty(self, fingerprint: bytes) -> bool:
        """Whether one that the engine has just died with, alone, is what it dies of."""
        self._deaths_alone[fingerprint] += 1
        return self._deaths[fingerprint] >= _DEATHS_OF_ONE and self._deaths_alone[fingerprint] >= _DEATHS_ALONE

    def _start_again(self) -> Engine:
        """A new engine, after a pause that grows with the deaths in a row; a start that fails is a death, too."""
        if self._barren_deaths > 1:
            self._clock.sleep(min(_LONGEST_PAUSE, 2.0 ** (self._barren_deaths - 2)))
        try:
            self._engine = self._spec.open()
        except (UsageError, AdapterChanged):
            raise
        except RunError as error:
            raise EngineDied(error.message, error.hint) from error
        return self._engine

    def _give_up_late_ones(self) -> None:
        """Fail what has had no answer for too long; looked at once a second."""
        now = self._clock.now()
        if now - self._looked_at < 1.0:
            return
        self._looked_at = now
        answered = {fingerprint for fingerprint, _ in self._done}
        late = [key for key, since in self._submitted.items() if now - since > self._request_seconds]
        if late := [key for key in late if key not in answered]:
            self.abort(late)
            failure = Failure(ErrorClass.DEADLINE, f"no answer within {self._request_seconds:g} seconds", attempts=1)
            for key in late:
                self._fail(key, failure)

    def _fail(self, fingerprint: bytes, failure: Failure) -> None:
        self._failed[fingerprint] = failure
        self._done.append((fingerprint, failure))
