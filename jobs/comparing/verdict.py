"""Whether B got worse than A: figures beyond their bounds that chance does not explain."""

from collections.abc import Iterator

from jobs.comparing.answer_columns import Kind
from jobs.comparing.comparison import Comparison, RateChange, Shift

SPEED = "engine_requests_per_second"


def judge(found: Comparison) -> Iterator[str]:
    """One line for each figure that is beyond its bound."""
    bounds = found.bounds
    if found.a.results and not found.b.results:
        yield f"there are no results, {found.a.results:,} before"
    yield from (_shift_line(shift) for shift in found.shifts if _has_shifted(shift, found))
    for changed in found.changed:
        low, high = changed.interval
        if changed.kind is Kind.CATEGORY and low > bounds.max_flips:
            yield f"{changed.column} flipped in {changed.share:.0%} of {changed.rows:,} rows ({low:.0%} … {high:.0%})"
    for rate in found.rates:
        bound = bounds.max_failed if rate.what == "failed" else bounds.max_check_drop
        if rate.rise > bound and rate.p < bounds.alpha:
            yield f"{rate.failing_b:.1%} of the {_what_happened(rate)}, {rate.failing_a:.1%} before"
    before, now = (side.rates.get(SPEED) for side in (found.a, found.b))
    if bounds.max_slowdown is not None and before and now and now < before * (1 - bounds.max_slowdown):
        yield f"the engine answered {now:,.1f} requests/s, {before:,.1f} before"


def _what_happened(rate: RateChange) -> str:
    kind, _, name = rate.what.partition(" ")
    return {"check": f"results did not pass {name}", "empty": f"results have no {name}"}.get(kind, "rows failed")


def _has_shifted(shift: Shift, found: Comparison) -> bool:
    bound = max(found.bounds.max_psi, shift.usual or 0.0)
    return shift.psi > bound and shift.p < found.bounds.alpha


def _shift_line(shift: Shift) -> str:
    if shift.kind is Kind.CATEGORY:
        moves = [b - a for a, b in zip(shift.shares_a, shift.shares_b, strict=True)]
        most = max(range(len(moves)), key=lambda i: abs(moves[i]))
        how = f"{shift.bins[most]} {shift.shares_a[most]:.0%} → {shift.shares_b[most]:.0%}"
    else:
        what = "mean length" if shift.kind is Kind.LENGTH else "mean"
        how = f"{what} {shift.mean_a:,.3g} → {shift.mean_b:,.3g}"
    return f"{shift.column} has shifted: {how} (PSI {shift.psi:.2f}, by chance up to {shift.chance:.3f})"
