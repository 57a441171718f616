"""The time that a run took, and its rates."""

from collections import Counter
from collections.abc import Mapping, Sequence

from jobs.running import Stopwatch
from pipeline import metrics
from pipeline.cluster.reports import Report
from schemas.manifest import Counts, Energy, Tokens


def seconds_of(
    clock: Stopwatch, tally: Counter[str], reports: Sequence[Report], workers: int | None
) -> dict[str, float]:
    """Wall time by phase; the engines of several workers are at work at once, and their mean counts.

    Args:
        reports: of all worker processes, of lost ones too.
        workers: how many there were at once.
    """
    asking = sum(1 for report in reports if report.counters.get(metrics.SENT))
    at_once = max(1, min(workers or 1, asking))
    seconds = {
        "total": clock.total,
        **clock.laps,
        "engine_start": tally[metrics.ENGINE_START_US] / 1e6 / at_once,
        "engine": tally[metrics.ENGINE_US] / 1e6 / at_once,
    }
    return {name: round(value, 3) for name, value in seconds.items()}


def rates_of(counts: Counts, tokens: Tokens, seconds: Mapping[str, float], energy: Energy | None) -> dict[str, float]:
    """Rows over the pipeline's time, requests and tokens over the engine's, energy by rows and tokens."""
    rates = {"rows_per_second": counts.rows / max(1e-3, seconds["pipeline"])}
    if counts.sent:
        engine_seconds = max(1e-3, seconds["engine"])
        rates["engine_requests_per_second"] = counts.sent / engine_seconds
        rates["engine_tokens_per_second"] = (tokens.prompt + tokens.output) / engine_seconds
    if energy is not None:
        rates["joules_per_row"] = energy.joules / max(1, counts.rows)
        rates["joules_per_1k_tokens"] = energy.joules / max(1e-3, (tokens.prompt + tokens.output) / 1000)
    return {name: round(value, 2) for name, value in rates.items()}
