"""A comparison as a person reads it."""

from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.comparing.comparison import Comparison, Difference, RateChange, Shift, Side
from jobs.comparing.verdict import SPEED
from jobs.summary import in_one_cell
from jobs.terminal import plain_table, printable

_VALUE_WIDTH, _TEXT_WIDTH, _DIFF_LINES = 60, 72, 16


def print_comparison(console: Console, found: Comparison) -> None:
    """What was compared, what differs, and the verdict last."""
    for name, side in (("A", found.a), ("B", found.b)):
        _line(console, name, _about(side))
    rows = found.rows
    judged = ": only those are judged" if found.canary else ""
    _line(console, "rows", f"{rows.both:,} in both{judged}; {rows.only_a:,} only in A, {rows.only_b:,} only in B")
    for difference in found.differences:
        for i, line in enumerate(_difference_lines(difference)):
            _line(console, "differs" if i == 0 else "", line)
    if found.shifts:
        columns = ["answers", "A", "B", "PSI", "by chance", "usual", "JS distance", "p"]
        console.print(plain_table(None, columns, [_shift_cells(shift) for shift in found.shifts]))
    rates = [rate for rate in found.rates if (rate.rows_a or rate.rows_b) and not _is_never_empty(rate)]
    shown = [[r.what, f"{r.failing_a:.1%}", f"{r.failing_b:.1%}", f"{100 * r.rise:+.1f}", f"{r.p:.3f}"] for r in rates]
    console.print(plain_table(None, ["failed or empty", "A", "B", "points", "p"], shown))
    for one in found.changed:
        low, high = one.interval
        how = f"{one.changed:,} of {one.rows:,} rows, {one.share:.1%} ({low:.1%} … {high:.1%})"
        _line(console, "changed", f"{one.column}: {how}")
    if found.flips:
        console.print(plain_table(None, ["id", "text", "column", "A", "B", "confidence"], list(_flip_rows(found))))
    for line in found.skipped:
        _line(console, "not compared", line)
    for finding in found.findings:
        _line(console, "regressed", finding)
    if not found.findings:
        _line(console, "verdict", "no figure is beyond its bound")


def _is_never_empty(rate: RateChange) -> bool:
    return rate.what.startswith("empty ") and not (rate.failing_a or rate.failing_b)


def _line(console: Console, name: str, value: str) -> None:
    console.print(Text.assemble((f"{name:<14}", "bold"), printable(value)), soft_wrap=True)


def _about(side: Side) -> str:
    speed = f"{side.rates[SPEED]:,.1f} requests/s" if SPEED in side.rates else "nothing sent"
    counts = f"{side.rows:,} rows, {side.failed:,} failed, {side.reused:,} requests reused, {speed}"
    return f"{side.output}: {side.task} by {side.model.name}, {counts}"


def _difference_lines(difference: Difference) -> Iterator[str]:
    """One line, or for prompts those of its lines that differ."""
    if not difference.key.startswith("prompt.") or difference.a is None or difference.b is None:
        yield f"{difference.key}: {_short(difference.a)} → {_short(difference.b)}"
        return
    yield difference.key
    lines = [
        line
        for line in unified_diff(difference.a.splitlines(), difference.b.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    for line in lines[:_DIFF_LINES]:
        yield f"  {in_one_cell(line, _TEXT_WIDTH)}"
    if len(lines) > _DIFF_LINES:
        yield f"  … {len(lines) - _DIFF_LINES} more lines; --json has all"


def _short(value: Any) -> str:
    return in_one_cell(value, _VALUE_WIDTH)


def _shift_cells(shift: Shift) -> list[str]:
    usual = "-" if shift.usual is None else f"{shift.usual:.3f}"
    figures = [f"{shift.psi:.3f}", f"≤ {shift.chance:.3f}", usual, f"{shift.js_distance:.3f}", f"{shift.p:.3f}"]
    if shift.mean_a is not None and shift.mean_b is not None:
        kind = "mean" if shift.kind == "by tenth" else "mean length"
        return [f"{shift.column}, {kind}", f"{shift.mean_a:,.3g}", f"{shift.mean_b:,.3g}", *figures]
    shares = [_shares(shift.bins, values) for values in (shift.shares_a, shift.shares_b)]
    return [shift.column, *shares, *figures]


def _shares(bins: list[str], shares: list[float]) -> str:
    """The largest four, in the order of the bins."""
    largest = sorted(sorted(range(len(bins)), key=lambda i: -shares[i])[:4])
    return "\n".join(f"{in_one_cell(bins[i], 20)} {shares[i]:.0%}" for i in largest)


def _flip_rows(found: Comparison) -> Iterator[list[str]]:
    for flip in found.flips:
        text = in_one_cell(" · ".join(str(value) for value in flip.texts.values() if value is not None), _TEXT_WIDTH)
        confidence = "-" if flip.confidence is None else f"{flip.confidence:.2f}"
        yield [
            in_one_cell(flip.id, 40),
            text,
            flip.column,
            in_one_cell(flip.a, 30),
            in_one_cell(flip.b, 30),
            confidence,
        ]
