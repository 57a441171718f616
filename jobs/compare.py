"""Two runs, A and B, held against each other: did B's answers, failures, checks or speed get worse?"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from jobs.comparison import Bounds, Comparison, Rows, Side
from jobs.differences import differences
from jobs.drift import holm, population_stability
from jobs.pairing import pair_up
from jobs.run_output import RunOutput
from jobs.run_pair import RunPair
from jobs.verdict import judge
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
    shifts, rates = pair.shifts(_usual_shifts([RunOutput.of(path) for path in usual], one)), pair.rates()
    adjusted = holm([*(shift.p for shift in shifts), *(rate.p for rate in rates)])
    shifts = [found.model_copy(update={"p": p}) for found, p in zip(shifts, adjusted, strict=False)]
    rates = [found.model_copy(update={"p": p}) for found, p in zip(rates, adjusted[len(shifts) :], strict=True)]
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
        findings=[],
    )
    return comparison.model_copy(update={"findings": list(judge(comparison))})


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
