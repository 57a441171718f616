"""A forecast for a person."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from jobs.forecasting.figures import Forecast, Range
from jobs.terminal import duration, in_bytes, printable


def print_forecast(console: Console, found: Forecast) -> None:
    """One line for each figure; what it rests on is said with it."""
    for name, value in _lines(found):
        console.print(Text.assemble((f"{name:<14}", "bold"), printable(value)), soft_wrap=True)


def _lines(found: Forecast) -> Iterator[tuple[str, str]]:
    yield "rows", f"{found.rows:,}"
    if found.failing:
        yield "would fail", ", ".join(f"{number:,} {name}" for name, number in found.failing.items())
    error = f" (counts ± {found.sampling_error:.1%})" if found.sampling_error else ""
    later = " with second tries and later rounds" if round(found.sent.value) > found.unique - found.stored else ""
    yield "requests", f"{found.unique:,} unique, {found.stored:,} in the store{error}"
    yield "to the engine", f"{_figure(found.sent)}{later}"
    cached = f", {found.cached_share:.0%} from the prefix cache" if found.cached_share and found.sent.value else ""
    yield "tokens in", f"{_figure(found.prompt_tokens)}{cached}"
    if found.output_tokens is not None:
        yield "tokens out", _figure(found.output_tokens)
    else:
        yield "tokens out", f"at most {found.most_output_tokens:,}; no earlier run tells how many"
    yield "time", _time(found)
    if found.cost is not None:
        yield "cost", f"{found.cost.value:,.2f} ({found.cost.low:,.2f} … {found.cost.high:,.2f})"
    if found.memory is not None:
        parts = f"weights {in_bytes(found.memory.weights)}, KV cache {in_bytes(found.memory.kv_cache)}"
        yield "memory", f"{in_bytes(found.memory.needed)} ({parts}) of {in_bytes(found.memory.available)} available"
    for warning in found.warnings:
        yield "warning", warning


def _time(found: Forecast) -> str:
    if found.seconds is None and not found.sent.value:
        return "without an engine: all answers are in the store"
    if found.seconds is None:
        return "not measured yet on this machine: `--measure` runs some 32 rows, or run it with --sample 200"
    low, value, high = (duration(x) for x in (found.seconds.low, found.seconds.value, found.seconds.high))
    basis = f"by {found.runs} earlier run{'s' if found.runs > 1 else ''} on this machine"
    return f"{value} ({low} … {high}), {basis if found.sent.value else 'without an engine'}"


def _figure(found: Range) -> str:
    if round(found.low) == round(found.high):
        return f"{found.value:,.0f}"
    return f"{found.value:,.0f} ({found.low:,.0f} … {found.high:,.0f})"
