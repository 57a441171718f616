"""The servers, and the requests that wait for each: fair, and what shares a beginning goes to one server."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from pipeline.elements import Request
from pipeline.engines.server.window import Window
from pipeline.fingerprints import HEAD_BYTES

_STRIKES = 5
"""Faults in a row after which a server is asked how it is before it gets another request."""


@dataclass(eq=False)
class Endpoint:
    """One server.

    Attributes:
        url: without a slash at the end.
        window: how many requests it may have.
        attempts: what it is at.
        up: it is there, as far as is known.
        unfit: why it gets no requests any more, or None.
        paused_until: it is left alone till then.
        strikes: faults since its last answer.
        last_sign: when it last answered anything, or was given something when it had nothing.
    """

    url: str
    window: Window = field(default_factory=Window)
    attempts: set["Attempt"] = field(default_factory=set)
    up: bool = True
    unfit: str | None = None
    paused_until: float = 0.0
    strikes: int = 0
    last_sign: float = 0.0

    @property
    def in_flight(self) -> int:
        """How many requests it has."""
        return len(self.attempts)

    @property
    def usable(self) -> bool:
        """Whether it may get requests, now or soon."""
        return self.up and self.unfit is None

    def is_free(self, now: float) -> bool:
        """Whether it can take one more."""
        return self.usable and now >= self.paused_until and self.in_flight < self.window.limit

    def pause(self, seconds: float, now: float) -> None:
        """Leave it alone for so long at least."""
        self.paused_until = max(self.paused_until, now + seconds)

    def strike(self) -> bool:
        """It failed; returns whether that was once too often."""
        self.strikes += 1
        return self.strikes >= _STRIKES

    def answered(self, now: float) -> None:
        """It gave an answer."""
        self.strikes, self.last_sign = 0, now


@dataclass(eq=False)
class Job:
    """A request on its way to an answer.

    Attributes:
        prompt: token ids, or text for a server that takes none.
        submitted: when.
        tries, faults, late: attempts so far, those that a server failed at, and those that ended without an answer.
        suspected: servers failed at it often, and were well when asked: the next fault is its own.
        avoid: the server that failed at it last.
        not_before: it waits till then.
        attempts: those under way.
    """

    request: Request
    prompt: list[int] | str
    submitted: float
    tries: int = 0
    faults: int = 0
    late: int = 0
    suspected: bool = False
    avoid: Endpoint | None = None
    not_before: float = 0.0
    attempts: set["Attempt"] = field(default_factory=set)

    @property
    def key(self) -> bytes:
        """Its name."""
        return self.request.fingerprint

    @property
    def head(self) -> bytes:
        """Names how its prompt begins."""
        return self.request.fingerprint[:HEAD_BYTES]


@dataclass(eq=False)
class Attempt:
    """A request that a server is at, since `began`."""

    job: Job
    endpoint: Endpoint
    began: float


class Lines:
    """Jobs that wait, in a line for each server; a server whose line is empty takes from the end of the longest.

    Jobs whose prompts begin alike stand in one line, one after the other: the server's prefix cache serves them.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._lines: dict[Endpoint, deque[Job]] = {endpoint: deque() for endpoint in endpoints}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def put(self, job: Job, first: bool = False) -> None:
        """Let a job wait for the server that its beginning belongs to; `first`: it has waited before."""
        line = self._lines[self.home(job)]
        if first:
            line.appendleft(job)
        else:
            line.append(job)

    def home(self, job: Job) -> Endpoint:
        """The same for the same beginning, among the servers that are there (rendezvous hashing)."""
        usable = [endpoint for endpoint in self._lines if endpoint.usable] or list(self._lines)
        others = [endpoint for endpoint in usable if endpoint is not job.avoid] or usable
        return max(others, key=lambda endpoint: hashlib.blake2b(job.head + endpoint.url.encode()).digest())

    def take(self, endpoint: Endpoint, now: float) -> Job | None:
        """The next job for a server, off the line; None if there is none that is due."""
        own = self._lines[endpoint]
        if (job := _pop(own, lambda job: job.not_before <= now)) is not None:
            return job
        may = self._may_take(endpoint, now)
        for line in sorted(self._lines.values(), key=len, reverse=True):
            if line is not own and (job := _pop(line, may, from_end=True)) is not None:
                return job
        return None

    def _may_take(self, endpoint: Endpoint, now: float) -> Callable[[Job], bool]:
        only = not any(other.usable for other in self._lines if other is not endpoint)
        return lambda job: job.not_before <= now and (only or job.avoid is not endpoint)

    def reassign(self, endpoint: Endpoint) -> None:
        """A server is gone: its line goes to the others."""
        line = self._lines[endpoint]
        waiting = list(line)
        line.clear()
        for job in waiting:
            self.put(job)

    def forget(self, keys: Collection[bytes]) -> None:
        """Drop jobs."""
        for endpoint, line in self._lines.items():
            self._lines[endpoint] = deque(job for job in line if job.key not in keys)


_LOOK = 64


def _pop(line: deque[Job], is_wanted: Callable[[Job], bool], from_end: bool = False) -> Job | None:
    """The first wanted job among the next ones, taken out; None if there is none."""
    order = range(len(line) - 1, max(-1, len(line) - 1 - _LOOK), -1) if from_end else range(min(_LOOK, len(line)))
    for i in order:
        if is_wanted(line[i]):
            job = line[i]
            del line[i]
            return job
    return None
