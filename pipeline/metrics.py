"""Counters: Beam's own, for the manifest on any runner, and a board in this process, for the progress line."""

import threading
from collections import Counter as Tally
from collections.abc import Callable
from functools import cache
from typing import Any

from apache_beam.metrics import Metrics, MetricsFilter

NAMESPACE = "textmill"

ROWS = "rows"
UNIQUE = "unique"
FOLLOW_UPS = "follow_ups"
REUSED = "reused"
SENT = "sent"
ROWS_DONE = "rows_done_millionths"
ASKED_AGAIN = "asked_again"
OK = "ok"
FAILED = "failed"
TRUNCATED = "truncated"
GUARDED = "guarded"
PROMPT_TOKENS = "prompt_tokens"
CACHED_PROMPT_TOKENS = "cached_prompt_tokens"
OUTPUT_TOKENS = "output_tokens"
REASONING_TOKENS = "reasoning_tokens"
STORED_TOKENS = "stored_tokens"
DUPLICATE_TOKENS = "duplicate_tokens"
ENGINE_STARTS = "engine_starts"
ENGINE_DEATHS = "engine_deaths"
ENGINE_START_US = "engine_start_us"
ENGINE_US = "engine_us"
STORE_BAD_PARTS = "store_bad_parts"
STORED = "stored"
ROWS_BEGUN = "rows_begun"
RESULTS_WRITTEN = "results_written"
WORKERS_LOST = "workers_lost"


def redacted(kind: str) -> str:
    """The counter of values of personal data of one kind that were replaced."""
    return f"redacted.{kind}"


def failed_as(error_class: str) -> str:
    """The counter of rows that failed for one reason."""
    return f"failed.{error_class}"


def check_ended(name: str, passed: bool) -> str:
    """The counter of results that passed a check, or did not."""
    return f"check.{name}.{'passed' if passed else 'failed'}"


def of_model(name: str, model: str) -> str:
    """A counter, of one model of a cascade."""
    return f"{name}.of.{model}"


_lock = threading.Lock()
_board: Tally[str] = Tally()
_elsewhere: Callable[[], Tally[str]] = Tally
"""What the processes have counted that are followed."""


def count(name: str, by: int = 1) -> None:
    """Add to a counter, here and in Beam."""
    if not by:
        return
    _counter(name).inc(by)
    with _lock:
        _board[name] += by


def count_rows_done(share: float) -> None:
    """Count a row, or a share of one, as answered; in millionths, for counters are whole numbers."""
    count(ROWS_DONE, round(1e6 * share))


def rows_done(tally: Tally[str]) -> int:
    """How many rows have got all answers of the first round."""
    return round(tally[ROWS_DONE] / 1e6)


@cache
def _counter(name: str) -> Any:
    return Metrics.counter(NAMESPACE, name)


def follow(counted: Callable[[], Tally[str]]) -> None:
    """Until `reset_board` the board has what other processes have counted, too.

    Args:
        counted: says how much that is by now, also when they have ended.
    """
    global _elsewhere
    _elsewhere = counted


def own() -> Tally[str]:
    """What this process alone has counted since `reset_board`."""
    with _lock:
        return Tally(_board)


def board() -> Tally[str]:
    """What this process has counted since `reset_board`, and those that it follows."""
    return own() + _elsewhere()


def reset_board() -> None:
    """Start counting anew."""
    global _elsewhere
    with _lock:
        _board.clear()
    _elsewhere = Tally


def totals(result: Any) -> Tally[str]:
    """The counters of a Beam pipeline, as committed by its runner; or attempted, where it does not say.

    Args:
        result: what `Pipeline.run` returned.
    """
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    tally: Tally[str] = Tally()
    for counter in found:
        tally[counter.key.metric.name] += counter.result or 0
    return tally
