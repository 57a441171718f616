"""Two runs, A and B, held against each other: did B's answers, failures, checks or speed get worse?"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from jobs.comparing.comparison import Bounds, Comparison, RateChange, Rows, Shift, Side
from jobs.comparing.differences import differences
from jobs.comparing.drift import enough_exchanges, holm, population_stability
from jobs.comparing.pairing import pair_up
from jobs.comparing.run_pair import RunPair
from jobs.comparing.verdict import judge
from jobs.run_output import RunOutput
from pipeline.errors import UsageError


def compare(
    a: Path,
    b: Path,
    bounds: Bounds,
    *,
    canary: bool = False,
    usual: Sequence[Path] = (),
    only: Sequence[str] = (),
    show: int = 10,
) -> Comparison:
    """Compare two complete runs of one task.

    Args:
        canary: B read a sample of A's rows: only rows that both have are looked at.
        usual: earlier runs of the task: what differs between them, one to the next and to A, is usual.
        only: answer columns to look at; all if empty.
        show: how many flipped rows to name, the most confident first.

    Raises:
        UsageError: if one is no complete run, or they cannot be compared.
    """
    one, other = RunOutput.of(a), RunOutput.of(b)
    _refuse_other_task(one, other)
    pairing = pair_up(one, other)
    if canary and not len(pairing.rows_a):
        raise UsageError(f"{a} and {b} have no rows in common", "a canary runs on rows of the run that it is for")
    pair = RunPair(one, other, pairing, canary)
    pair.restrict(only)
    exchanges = enough_exchanges(pair.num_figures, bounds.alpha)
    shifts = pair.shifts(_usual_shifts([RunOutput.of(path) for path in usual], one), exchanges)
    shifts, rates = _for_all_together(shifts, pair.rates(exchanges))
    comparison = Comparison(
        a=_side(one),
        b=_side(other),
        canary=canary,
        bounds=bounds,
        rows=Rows(both=len(pairing.rows_a), only_a=pairing.only_a, only_b=pairing.only_b),
        changed=pair.changed(),
        flips=pair.flips(show),
        shifts=shifts,
        rates=rates,
        differences=differences(one.manifest, other.manifest),
        skipped=pair.skipped,
        findings=[],
    )
    return comparison.model_copy(update={"findings": list(judge(comparison))})


def _for_all_together(shifts: Sequence[Shift], rates: Sequence[RateChange]) -> tuple[list[Shift], list[RateChange]]:
    """The same with p adjusted for the number of figures; one that cannot be tested takes nothing from the others."""
    figures: list[Shift | RateChange] = [*shifts, *rates]
    adjusted = iter(holm([figure.p for figure in figures if figure.testable]))
    return (
        [shift.model_copy(update={"p": next(adjusted) if shift.testable else 1.0}) for shift in shifts],
        [rate.model_copy(update={"p": next(adjusted) if rate.testable else 1.0}) for rate in rates],
    )


def _refuse_other_task(a: RunOutput, b: RunOutput) -> None:
    tasks = [str(run.manifest.recipe["task"]) for run in (a, b)]
    if tasks[0] != tasks[1]:
        raise UsageError(f"{a.folder} is a run of {tasks[0]}, {b.folder} one of {tasks[1]}")


def _side(run: RunOutput) -> Side:
    manifest, counts = run.manifest, run.manifest.counts
    return Side(
        output=str(run.folder),
        run_id=manifest.run_id,
        task=manifest.recipe["task"],
        model=manifest.model,
        recipe_digest=manifest.recipe_digest,
        rows=counts.rows,
        results=counts.results,
        failed=counts.failed,
        reused=counts.reused,
        rates=manifest.rates,
    )


def _usual_shifts(earlier: Sequence[RunOutput], a: RunOutput) -> dict[str, float]:
    """Column → the largest index among earlier runs, each against the next one, by time, and the last against A."""
    runs = [*sorted(earlier, key=lambda run: run.manifest.started), a]
    largest: dict[str, float] = {}
    for one, next_one in pairwise(runs):
        _refuse_other_task(one, next_one)
        for column, _, crossed in RunPair(one, next_one, pair_up(one, next_one), canary=False).crossed():
            psi = float(population_stability(crossed.a, crossed.b))
            largest[column] = max(psi, largest.get(column, 0.0))
    return largest
