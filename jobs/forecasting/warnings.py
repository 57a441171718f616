"""What a person should know before a job is run."""

from collections import Counter
from collections.abc import Iterator, Mapping

from jobs.forecasting.counting import Counted
from jobs.forecasting.figures import Memory, Range
from jobs.forecasting.speeds import Experience
from jobs.prepare import Prepared
from pipeline.models import catalogue

_MANY = 0.05
_MOSTLY = 0.5
_NEARLY_ALL = 0.9
_SMALL_RUN = 200


def warnings_of_rows(counted: Counted, prepared: Prepared) -> Iterator[str]:
    """About the input: texts that are cut, rows that would fail, columns with nothing in them, foreign languages."""
    looked_at = max(1, counted.looked_at)
    if counted.truncated:
        yield f"{counted.truncated / looked_at:.1%} of the rows have a text that does not fit the context: it is cut"
    if counted.failed.total() > _MANY * looked_at:
        failed = Counter({name: round(number * counted.rows / looked_at) for name, number in counted.failed.items()})
        yield f"{counted.failed.total() / looked_at:.0%} of the rows would fail: {_listed(failed)}"
    for name, number in counted.nulls.items():
        if number > _MOSTLY * looked_at:
            yield f"the column {prepared.plan.columns[name]} is null in {number / looked_at:.0%} of the rows"
    yield from _foreign(counted.languages, prepared)


def _foreign(languages: Counter[str], prepared: Prepared) -> Iterator[str]:
    entry = catalogue().get(prepared.model.name)
    if entry and entry.languages:
        foreign = Counter({code: n for code, n in languages.items() if code not in entry.languages})
        if foreign.total() > _MANY * languages.total():
            good = ", ".join(entry.languages)
            yield f"{entry.name} is good at {good} only; of {languages.total()} texts drawn, {_listed(foreign)}"


def warnings_of_runs(known: Experience) -> Iterator[str]:
    """About what the forecast rests on: answers that are nearly all alike, and runs that were small."""
    if known.majority and known.majority[2] > _NEARLY_ALL:
        column, value, share = known.majority
        yield f"the last run gave {share:.0%} of the rows the {column} {value!r}: see whether that is right"
    if known.requests < _SMALL_RUN:
        yield f"the time rests on {known.requests} requests, which do not fill the engine: it is rather less"


def warnings_of_bounds(
    memory: Memory | None, budget: Mapping[str, float], spent: Mapping[str, Range | None]
) -> Iterator[str]:
    """About memory that is not there, and a budget that is too small.

    Args:
        spent: what the job would take, by the names of the budget's bounds.
    """
    if memory and memory.needed > memory.available:
        yield "there is less memory than a run needs"
    for name, bound in budget.items():
        needed = spent.get(name)
        if needed is not None and needed.value > bound:
            yield f"the budget of {bound:,g} {name} ends after about {bound / needed.value:.0%} of the work"


def _listed(found: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in found.most_common(5))
