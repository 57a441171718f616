"""A probe on a terminal."""

from collections.abc import Sequence

from rich.console import Console

from jobs.terminal import plain_table, printable
from schemas.evaluation import Figure
from schemas.probe import GroupFigures, Probe, ProbedText

_WORST_SHOWN = 8


def print_probe(console: Console, found: Probe, place: str) -> None:
    """The figures of each group, and the pairs that are farthest apart."""
    for axis in dict.fromkeys(group.axis for group in found.groups):
        _print_axis(console, [group for group in found.groups if group.axis == axis])
    rows = [
        [f"{pair.distance:.2f}", *(part for side in (pair.one, pair.other) for part in (side.text, _said(side)))]
        for pair in found.worst[:_WORST_SHOWN]
    ]
    rows = [[printable(cell) for cell in row] for row in rows]
    console.print(plain_table("farthest apart", ["by", "text", "answer", "text", "answer"], rows))
    failed = f", {found.failed:,} without an answer" if found.failed else ""
    counted = f"{found.texts:,} texts, {found.pairs:,} pairs{failed}; {found.task} by {found.model}"
    console.print(printable(f"{counted}: largest shift {found.max_shift:.3f}, most flips {found.max_flips:.1%}"))
    console.print(printable(f"written to {place}"), soft_wrap=True)


def _said(side: ProbedText) -> str:
    return side.label if side.score is None else f"{side.label} {side.score:+.2f}"


def _print_axis(console: Console, groups: Sequence[GroupFigures]) -> None:
    rows = [
        [
            printable(group.group),
            f"{group.shift.value:+.3f}",
            _interval(group.shift, ".3f"),
            "–" if group.neutral_shift is None else f"{group.neutral_shift.value:+.3f}",
            f"{group.flips.value:.1%}",
            _interval(group.flips, ".1%"),
            f"{group.pairs:,}",
        ]
        for group in groups
    ]
    columns = [groups[0].axis, "shift", "95 % interval", "neutral texts", "flips", "95 % interval", "pairs"]
    console.print(plain_table(None, [printable(name) for name in columns], rows))


def _interval(figure: Figure, form: str) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:{form}} … {figure.high:{form}}"
