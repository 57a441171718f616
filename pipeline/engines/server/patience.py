"""How long servers may fail before the run ends: an answer of any of them starts the count anew."""

from dataclasses import dataclass, field

from pipeline.engines.server.retries import Backoff
from pipeline.errors import RunError

AGAIN = "what is answered is stored: the same command goes on"
_MANY_TROUBLES = 10


@dataclass
class Rules:
    """How patient to be.

    Attributes:
        request_seconds: how long a request may take, all its tries together.
        patience_seconds: how long all servers may fail before the run ends.
    """

    request_seconds: float = 3600.0
    patience_seconds: float = 300.0
    backoff: Backoff = field(default_factory=Backoff)


class Patience:
    """Counts what goes wrong between one answer and the next.

    Args:
        seconds: how long servers may do nothing but fail.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.answered()

    def answered(self) -> None:
        """An answer came."""
        self._since: float | None = None
        self._num_troubles, self._last = 0, ""

    def troubled(self, what: str, now: float) -> None:
        """Something went wrong."""
        self._since = now if self._since is None else self._since
        self._num_troubles, self._last = self._num_troubles + 1, what

    def ends(self, now: float, nothing_asked: bool) -> RunError | None:
        """The error to end with, once it is over; a long answer that is on its way is waited for unless much failed."""
        if self._since is None or now - self._since < self._seconds:
            return None
        if not nothing_asked and self._num_troubles < _MANY_TROUBLES:
            return None
        return RunError(f"no server has answered for {now - self._since:.0f} s; {self._last}", AGAIN)
