"""What earlier runs of the same task and model on this machine say of the next one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from jobs.config import JobConfig
from jobs.forecasting.figures import Range, around
from jobs.prepare import Prepared
from pipeline.run_history import read_history, this_host
from schemas.run_history import RunEntry

ENOUGH_SENT = 20
"""A run that sent fewer requests says little of speed; a job that sends fewer itself needs no more."""
_LAST = 5
_SPREAD = 0.25
_ROW_SECONDS = 200e-6
"""What a row costs the pipeline by itself. Source: README, "Why it is built this way": 154 to 201 µs."""


@dataclass(frozen=True)
class Experience:
    """Sums and means over the last runs that compare.

    Attributes:
        run_ids: theirs.
        rows: of one, the mean.
        requests: sent to the engine.
        again: requests of all rounds for each of the first one, at least 1.
        prompt_tokens, cached_tokens, output_tokens: that the engine handled.
        engine_seconds: from the first request to the last answer.
        start_seconds, other_seconds: to start the engine, and of all else, the means.
        speeds: computed tokens a second of each run, for how much they differ.
        majority: the answer column with one value in most rows, that value and its share, if there is one.
    """

    run_ids: tuple[str, ...]
    rows: float
    requests: int
    again: float
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    engine_seconds: float
    start_seconds: float
    other_seconds: float
    speeds: tuple[float, ...]
    majority: tuple[str, str, float] | None

    @property
    def cached_share(self) -> float:
        """Of the prompts' tokens, those that the prefix cache held."""
        return self.cached_tokens / max(1, self.prompt_tokens)

    def seconds(self, rows: int, sent: float, prompt_tokens: float, output_tokens: float) -> Range:
        """Of a whole run that sends so many requests with so many tokens in all.

        The engine's time goes by the tokens that it computes: the cache holds as many of each prompt as before.
        """
        other = max(0.0, self.other_seconds + (rows - self.rows) * _ROW_SECONDS)
        if not sent:
            return around(other, other / 2)
        cached = min(prompt_tokens, sent * self.cached_tokens / self.requests)
        engine = (prompt_tokens - cached + output_tokens) * self.engine_seconds / self._computed
        spread = max(_SPREAD, (max(self.speeds) - min(self.speeds)) / fmean(self.speeds) / 2)
        return around(self.start_seconds + other + engine, engine * spread + (self.start_seconds + other) * _SPREAD)

    @property
    def _computed(self) -> int:
        return self.prompt_tokens - self.cached_tokens + self.output_tokens


def experience(prepared: Prepared, config: JobConfig, least_sent: int) -> Experience | None:
    """What is known; None if nothing comparable ran on this machine. Runs of the same recipe come first.

    Args:
        least_sent: runs that sent fewer requests say nothing.
    """
    scope, recipe, host = prepared.recipe.scope(), prepared.recipe.digest(), this_host()
    scope += "+adapters" if prepared.recipe.adapters else ""
    entries = [
        entry
        for entry in read_history(config.store)
        if entry.scope == scope
        and entry.host == host
        and entry.engine_args == config.engine_args
        and entry.workers == config.workers
        and entry.counts.sent >= least_sent
    ]
    same = [entry for entry in entries if entry.recipe_digest == recipe]
    return _summed((same or entries)[-_LAST:]) if entries else None


def _summed(entries: Sequence[RunEntry]) -> Experience:
    unique, later = sum(e.counts.unique for e in entries), sum(e.counts.follow_ups for e in entries)
    return Experience(
        run_ids=tuple(e.run_id for e in entries),
        rows=fmean(e.counts.rows for e in entries),
        requests=sum(e.counts.sent for e in entries),
        again=unique / max(1, unique - later),
        prompt_tokens=sum(e.tokens.prompt for e in entries),
        cached_tokens=sum(e.tokens.cached_prompt for e in entries),
        output_tokens=sum(e.tokens.output for e in entries),
        engine_seconds=sum(e.seconds["engine"] for e in entries),
        start_seconds=fmean(e.seconds["engine_start"] for e in entries),
        other_seconds=fmean(_other_seconds(e.seconds) for e in entries),
        speeds=tuple(_computed(e) / max(1e-3, e.seconds["engine"]) for e in entries),
        majority=_majority(entries[-1]),
    )


def _computed(entry: RunEntry) -> int:
    return entry.tokens.prompt - entry.tokens.cached_prompt + entry.tokens.output


def _other_seconds(seconds: Mapping[str, float]) -> float:
    return max(0.0, seconds["total"] - seconds["engine"] - seconds["engine_start"])


def _majority(entry: RunEntry) -> tuple[str, str, float] | None:
    most = [(share, column, value) for column, found in entry.shares.items() for value, share in found.items()]
    share, column, value = max(most, default=(0.0, "", ""))
    return (column, value, share) if column else None
