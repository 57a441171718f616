"""What a run may spend, and whether it has: asked before each request, never in the middle of one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pipeline import metrics
from pipeline.elements import Failure, Pending
from schemas.envelope import ErrorClass

BOUNDS = ("tokens", "minutes", "rows")


@dataclass(frozen=True)
class Budget:
    """Bounds of a run; it pickles small, and each process that asks keeps watch by itself.

    Attributes:
        bounds: `tokens` of prompts and answers that the engine handles, `minutes` from the start of the run, `rows`
            that ask the engine. At most what is in flight when a bound is reached comes on top of it.
        started: when the run began, in seconds since the epoch: workers are other processes.
    """

    bounds: tuple[tuple[str, float], ...] = ()
    started: float = 0.0


NO_BUDGET = Budget()


class Purse:
    """One process's watch over a budget.

    Args:
        budget: the run's.
        clock: seconds since the epoch.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.time) -> None:
        self._budget, self._clock = budget, clock
        self._rows = 0.0

    def refuse(self, pending: Pending) -> Failure | None:
        """Why a request may not be sent any more; None: it may, and counts from now on."""
        for name, bound in self._budget.bounds:
            if self._spent(name) >= bound:
                metrics.count(reached(name))
                return Failure(ErrorClass.OVER_BUDGET, f"the run's budget of {bound:,g} {name} was spent before")
        self._rows += sum(1 / asker.of for asker in pending.askers if not asker.case.answers)
        return None

    def _spent(self, name: str) -> float:
        if name == "minutes":
            return (self._clock() - self._budget.started) / 60
        if name == "rows":
            return round(self._rows, 6)
        board = metrics.board()
        return board[metrics.PROMPT_TOKENS] + board[metrics.OUTPUT_TOKENS]


@lru_cache(maxsize=1)
def purse_of(budget: Budget) -> Purse:
    """This process's purse: one for all rounds and waves of a run."""
    return Purse(budget)


def reached(name: str) -> str:
    """The counter of requests that were refused at this bound."""
    return f"budget.{name}"
