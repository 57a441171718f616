"""What a run may spend, and whether it has: asked before each request, never in the middle of one."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from pipeline import metrics
from pipeline.elements import Failure, Pending, RowRef
from schemas.envelope import ErrorClass

BOUNDS = ("tokens", "minutes", "rows")


@dataclass(frozen=True)
class Budget:
    """Bounds of a run; it pickles small, and each process that asks keeps watch by itself.

    Attributes:
        bounds: `tokens` of prompts and answers that the engine handles, `minutes` from the start of the run, `rows`
            that ask the engine, all of their questions in all rounds. At most what is in flight when a bound is reached
            comes on top of it; of rows, those that ask the same as the last one.
        started: when the run began, in seconds since the epoch: workers are other processes.
        spent: of bounds, by work that was lost but for its answers.
    """

    bounds: tuple[tuple[str, float], ...] = ()
    started: float = 0.0
    spent: tuple[tuple[str, float], ...] = ()


NO_BUDGET = Budget()


class Purse:
    """One process's watch over a budget.

    Args:
        budget: the run's.
        clock: seconds since the epoch.
        share: which process this is, from 0, of how many that spend it.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.time, share: tuple[int, int] = (0, 1)) -> None:
        self._budget, self._clock = budget, clock
        self._part = part_of(budget, *share)
        self._counts_rows = any(name == "rows" for name, _ in budget.bounds)
        self._begun: set[RowRef] = set()

    def refuse(self, pending: Pending) -> Failure | None:
        """Why a request may not be sent any more; None: it may, and counts from now on."""
        for (name, bound), (_, part) in zip(self._budget.bounds, self._part.bounds, strict=True):
            if self._spent(name) >= part and not (name == "rows" and self._has_begun(pending)):
                metrics.count(reached(name))
                return Failure(ErrorClass.OVER_BUDGET, f"the run's budget of {bound:,g} {name} was spent before")
        if self._counts_rows:
            before = len(self._begun)
            self._begun.update(asker.case.ref for asker in pending.askers)
            metrics.count(metrics.ROWS_BEGUN, len(self._begun) - before)
        return None

    def _has_begun(self, pending: Pending) -> bool:
        """Whether a row that asks this has asked before: what was paid for it is worth nothing without the rest."""
        return any(asker.case.ref in self._begun for asker in pending.askers)

    def _spent(self, name: str) -> float:
        if name == "minutes":
            return (self._clock() - self._budget.started) / 60
        if name == "rows":
            return len(self._begun)
        board = metrics.board()
        return board[metrics.PROMPT_TOKENS] + board[metrics.OUTPUT_TOKENS]


_share = (0, 1)


def share(number: int, of: int) -> None:
    """This process is one of several, numbered from 0, that spend the budget: each has a part of it."""
    global _share
    _share = (number, of)


def part_of(budget: Budget, number: int, of: int) -> Budget:
    """What one of several processes may still spend; their parts are the whole. Minutes pass for all at once."""
    spent = dict(budget.spent)

    def part(name: str, bound: float) -> float:
        rest = max(0, bound - spent.get(name, 0))
        return rest if name == "minutes" or of == 1 else (number + 1) * rest // of - number * rest // of

    return Budget(tuple((name, part(name, bound)) for name, bound in budget.bounds), budget.started)


def after(budget: Budget, spent: Counter[str]) -> Budget:
    """The budget after work that was lost but for its answers."""
    tokens = spent[metrics.PROMPT_TOKENS] + spent[metrics.OUTPUT_TOKENS]
    return replace(budget, spent=(("tokens", tokens), ("rows", spent[metrics.ROWS_BEGUN])))


@lru_cache(maxsize=1)
def purse_of(budget: Budget) -> Purse:
    """This process's purse: one for all rounds and waves of a run."""
    return Purse(budget, share=_share)


def reached(name: str) -> str:
    """The counter of requests that were refused at this bound."""
    return f"budget.{name}"
