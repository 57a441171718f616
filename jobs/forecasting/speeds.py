"""What earlier runs of the same task and model on this machine say of the next one."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.prepare import Prepared
from pipeline.run_history import read_history, this_host
from schemas.run_history import RunEntry

_ENOUGH = 20
"""A run that sent fewer requests says little of speed."""
_LAST = 5


@dataclass(frozen=True)
class Experience:
    """Sums over the last runs that compare.

    Attributes:
        runs: how many.
        requests: sent to the engine.
        requests_per_row: unique requests over rows, in all rounds.
        prompt_tokens, cached_tokens, output_tokens: that the engine handled.
        engine_seconds: from the first request to the last answer.
        start_seconds: to start the engine, the mean.
        other_seconds_per_row: of the pipeline, without the engine.
        speeds: requests a second of each run, for how much they differ.
        majority: the answer column with one value in most rows, that value and its share, if there is one.
    """

    runs: int
    requests: int
    requests_per_row: float
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    engine_seconds: float
    start_seconds: float
    other_seconds_per_row: float
    speeds: tuple[float, ...]
    majority: tuple[str, str, float] | None


def experience(prepared: Prepared, store: str, engine_args: dict[str, object]) -> Experience | None:
    """What is known; None if nothing comparable ran on this machine. Runs of the same recipe come first."""
    scope, recipe, host = prepared.recipe.scope(), prepared.recipe.digest(), this_host()
    entries = [
        entry
        for entry in read_history(store)
        if entry.scope == scope
        and entry.host == host
        and entry.engine_args == engine_args
        and entry.counts.sent >= _ENOUGH
    ]
    same = [entry for entry in entries if entry.recipe_digest == recipe]
    return _summed((same or entries)[-_LAST:]) if entries else None


def _summed(entries: Sequence[RunEntry]) -> Experience:
    rows = sum(e.counts.rows for e in entries)
    phases = [e.seconds for e in entries]
    engine, start = sum(s["engine"] for s in phases), sum(s["engine_start"] for s in phases)
    return Experience(
        runs=len(entries),
        requests=sum(e.counts.sent for e in entries),
        requests_per_row=sum(e.counts.unique for e in entries) / max(1, rows),
        prompt_tokens=sum(e.tokens.prompt for e in entries),
        cached_tokens=sum(e.tokens.cached_prompt for e in entries),
        output_tokens=sum(e.tokens.output for e in entries),
        engine_seconds=engine,
        start_seconds=start / len(entries),
        other_seconds_per_row=max(0.0, sum(s["pipeline"] for s in phases) - engine - start) / max(1, rows),
        speeds=tuple(e.counts.sent / max(1e-3, e.seconds["engine"]) for e in entries),
        majority=_majority(entries[-1]),
    )


def _majority(entry: RunEntry) -> tuple[str, str, float] | None:
    most = [(share, column, value) for column, found in entry.shares.items() for value, share in found.items()]
    share, column, value = max(most, default=(0.0, "", ""))
    return (column, value, share) if column else None
