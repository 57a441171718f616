"""What went wrong with a request to a server, whose fault it was, and when to try again."""

import email.utils
import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """Whose fault it was."""

    BUSY = auto()
    """The server has too much to do: 429, 503."""
    AWAY = auto()
    """Nobody is there: the connection was refused."""
    LATE = auto()
    """No answer in time."""
    FAULTY = auto()
    """The server failed at it: another 5xx, a connection that broke, an answer that is none. Perhaps the request's."""
    REFUSED = auto()
    """The server will not answer this request, however often it is asked."""
    UNFIT = auto()
    """No such model, no such key: the server will not answer any request of ours, if it says so to others too."""


@dataclass(frozen=True)
class Trouble:
    """Why an attempt brought no answer.

    Attributes:
        retry_after: seconds that the server asks to be left alone, if it does.
        status: of HTTP, if there was any.
    """

    kind: Kind
    message: str
    retry_after: float | None = None
    status: int | None = None


_BUSY, _UNFIT = frozenset({429, 503}), frozenset({401, 403, 404})
_FAULTY, _NOT_IMPLEMENTED = frozenset({408, 409, 421, 425}), 501


def trouble_of_status(status: int, message: str, headers: Mapping[str, str], wall_time: float) -> Trouble:
    """What an HTTP status other than 200 means."""
    said = f"{status} {message}".strip()
    if status in _BUSY:
        return Trouble(Kind.BUSY, said, retry_after(headers, wall_time), status)
    if status in _UNFIT:
        return Trouble(Kind.UNFIT, said, status=status)
    if (status >= 500 and status != _NOT_IMPLEMENTED) or status < 400 or status in _FAULTY:
        return Trouble(Kind.FAULTY, said, retry_after(headers, wall_time), status)
    return Trouble(Kind.REFUSED, said, status=status)


_LONGEST_RETRY_AFTER = 300.0


def retry_after(headers: Mapping[str, str], wall_time: float) -> float | None:
    """Seconds to wait, by `Retry-After` (seconds or a date) or `retry-after-ms`; None if there is no such thing.

    Five minutes at most: a server whose clock is wrong would have us wait for days.

    Args:
        headers: with names in lower case.
        wall_time: seconds since the epoch.
    """
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = float(headers["retry-after"])
    except KeyError:
        return None
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - wall_time
        except (KeyError, ValueError, TypeError):
            return None
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


@dataclass(frozen=True)
class Backoff:
    """How long to wait before the next try: twice as long each time, by chance up to a half shorter.

    Attributes:
        first, longest: seconds.
        draw: a number from 0 to 1.
    """

    first: float = 0.25
    longest: float = 20.0
    draw: Callable[[], float] = random.random

    def seconds(self, tries: int) -> float:
        """Before the try after so many (1 …) that failed."""
        whole = min(self.longest, self.first * 2.0 ** min(tries - 1, 32))
        return whole * (1 - self.draw() / 2)


LEAST_FAULTS = 5
_CHANCE = 1e-6
_REMEMBERED = 512


class Blame:
    """Tells a request that servers fail at from servers that fail.

    A request is to blame if it has failed at least five times, and so often that at the rate at which attempts fail
    anyhow that happens once in a million. If everything fails, no request is to blame.
    """

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=_REMEMBERED)
        self._num_faults = 0

    def note(self, fault: bool) -> None:
        """An attempt ended, with a fault or without."""
        if len(self._recent) == _REMEMBERED:
            self._num_faults -= self._recent[0]
        self._recent.append(fault)
        self._num_faults += fault

    def is_guilty(self, faults: int) -> bool:
        """Whether so many faults of one request are its own."""
        rate = (self._num_faults + 1) / (len(self._recent) + 2)
        return faults >= LEAST_FAULTS and rate**faults < _CHANCE


_LEAST_SECONDS = 60.0
_TIMES_SLOWEST = 10.0


class Latencies:
    """How long answers take lately, by how they are drawn; so how long to wait for one.

    Args:
        most: seconds, never longer.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._recent: dict[object, deque[float]] = {}

    def note(self, decoding: object, seconds: float) -> None:
        """An answer came after so long."""
        self._recent.setdefault(decoding, deque(maxlen=64)).append(seconds)

    def longest_wait(self, decoding: object, times_late: int) -> float:
        """Seconds after which an answer will not come: ten times the slowest lately, twice that each time."""
        recent = self._recent.get(decoding)
        if not recent:
            return self._most
        return min(self._most, max(_LEAST_SECONDS, _TIMES_SLOWEST * max(recent)) * 2.0**times_late)

    def usual(self, decoding: object) -> float | None:
        """The median lately; None before there are some."""
        recent = self._recent.get(decoding)
        return sorted(recent)[len(recent) // 2] if recent and len(recent) >= 8 else None
