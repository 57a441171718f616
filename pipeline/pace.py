"""Samples of how far a run is, taken beside it, so that its manifest can say how it went over time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline import metrics
from pipeline.watching import watching
from schemas.manifest import Pace

MAX_SAMPLES = 200
_FIRST_SECONDS = 0.5


class PaceMeter:
    """Reads the board now and then: less often the longer the run takes, so that the samples never exceed 200.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._seconds = clock, _FIRST_SECONDS
        self._samples: list[tuple[float, int, int]] = []
        self._started = 0.0

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Take samples while the block runs, and one at its end."""
        self._started, self._samples = self._clock(), []
        try:
            with watching(self._watch):
                yield
        finally:
            self.sample()

    def sample(self) -> None:
        """Take one; every second one goes when there are too many, and the next ones come half as often."""
        board = metrics.board()
        tokens = board[metrics.PROMPT_TOKENS] + board[metrics.OUTPUT_TOKENS]
        if len(self._samples) == MAX_SAMPLES:
            self._samples, self._seconds = self._samples[1::2], 2 * self._seconds
        self._samples.append((round(self._clock() - self._started, 2), metrics.rows_done(board), tokens))

    def pace(self) -> Pace:
        """The samples so far."""
        return Pace(
            seconds=[seconds for seconds, _, _ in self._samples],
            rows=[rows for _, rows, _ in self._samples],
            tokens=[tokens for _, _, tokens in self._samples],
        )

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(self._seconds):
            self.sample()
