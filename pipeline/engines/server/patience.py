"""How long servers may fail before the run ends: an answer of any of them starts the count anew."""

from dataclasses import dataclass, field

from pipeline.engines.server.retries import Backoff

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

    Attributes:
        last: what went wrong last.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.answered()

    def answered(self) -> None:
        """An answer came."""
        self._since: float | None = None
        self._num_troubles, self.last = 0, ""

    def troubled(self, what: str, now: float) -> None:
        """Something went wrong."""
        self._since = now if self._since is None else self._since
        self._num_troubles, self.last = self._num_troubles + 1, what

    def is_over(self, now: float, nothing_asked: bool) -> bool:
        """Whether to find out who is to blame; a long answer that is on its way is waited for unless much failed."""
        if self._since is None or now - self._since < self._seconds:
            return False
        return nothing_asked or self._num_troubles >= _MANY_TROUBLES
