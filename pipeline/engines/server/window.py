"""How many requests one server gets at once: more while that brings more, fewer when it says that it is too much."""

_GAIN = 1.1
"""A doubled window must bring so much more, or it was wide enough; servers' speeds vary by a few percent anyway."""
_STEP_GAIN = 1.03
_SHRINK = 0.7
_PROBE_EVERY = 6
_LEAST_EPOCH_SECONDS = 0.25


class Window:
    """The number of requests that a server is given at once, adapted to what it makes of them.

    It doubles for as long as throughput grows with it. Then it is widened by an eighth now and then, and that is taken
    back if it was in vain. Too much at once (429, 503, a timeout) shrinks it, once for all that was sent before.

    Args:
        start: how many at first.
        most: never more than so many.
    """

    def __init__(self, start: int = 16, most: int = 512) -> None:
        self._start, self._most = start, most
        self.restart()

    def restart(self) -> None:
        """Forget all: the server is another one now."""
        self.limit = self._start
        self._doubling, self._before, self._best = True, 0, 0.0
        self._epochs = 0
        self._shrunk_at = float("-inf")
        self._began: float | None = None
        self._answers, self._tokens, self._full = 0, 0, False

    def filled(self) -> None:
        """As many are in flight as may be: what comes back now tells how good the limit is."""
        self._full = True

    def answered(self, tokens: int, now: float) -> None:
        """An answer came, which took the server so many tokens."""
        if self._began is None:
            self._began = now
            return
        self._answers += 1
        self._tokens += tokens
        seconds = now - self._began
        if self._answers >= self.limit and seconds >= _LEAST_EPOCH_SECONDS:
            self._end_epoch(self._tokens / seconds)
            self._began, self._answers, self._tokens, self._full = now, 0, 0, False

    def overloaded(self, sent_at: float, now: float) -> None:
        """The server had too much of it, as a request says that was sent at a time."""
        if sent_at >= self._shrunk_at:
            self.limit = max(1, int(self.limit * _SHRINK))
            self._shrunk_at, self._doubling, self._before, self._best = now, False, 0, 0.0
            self._epochs, self._began, self._answers, self._tokens = 0, None, 0, 0

    def _end_epoch(self, rate: float) -> None:
        if not self._full:
            return
        if self._doubling:
            self._doubling = rate > _GAIN * self._best
            wider = 2 * self.limit if self._doubling else self.limit
        elif self._before:
            wider = self.limit if rate > _STEP_GAIN * self._best else self._before
            self._before = 0
        else:
            self._epochs += 1
            wider = self.limit
            if self._epochs % _PROBE_EVERY == 0:
                self._before, wider = self.limit, self.limit + max(1, self.limit // 8)
                self._best = rate
        self._best = max(rate, self._best) if self._doubling else self._best or rate
        self.limit = min(self._most, wider)
