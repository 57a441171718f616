"""Bars: lengths, shares, what is taken from a whole."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from jobs.report import theme
from jobs.report.blocks import Draw
from jobs.report.pictures.common import BAR, LINE, called, categories, data, filled, outside, room
from jobs.report.words import percent

_GAP = 20
_LABELLED, _NAMED = 0.09, 0.16
"""Shares that are large enough for their percentage, and for the name of their part."""


def bars(rows: Sequence[tuple[str, float, str]], colours: Sequence[str] | None = None) -> Draw:
    """Horizontal bars.

    Args:
        rows: name, length, and what is written at the end of the bar.
        colours: one for each bar.
    """
    names = called([name for name, _, _ in rows])
    fills = colours or [theme.ACCENT] * len(rows)
    values = [
        {"name": name, "value": value, "label": label, "fill": fill}
        for name, (_, value, label), fill in zip(names, rows, fills, strict=True)
    ]
    top = max((value for _, value, _ in rows), default=1) or 1

    def draw(width: int) -> Any:
        x = alt.X("value:Q", axis=None, scale=outside(0, top * room(width, 1.3, 1.5)))
        base = alt.Chart(data(values)).encode(x=x, y=categories(width, names))
        marks = base.mark_bar(height=BAR).encode(color=filled())
        texts = base.mark_text(align="left", dx=7, fontWeight=600).encode(text="label:N")
        return (marks + texts).properties(height=LINE * len(values))

    return draw


def shares(groups: Sequence[tuple[str, Sequence[float], str]], parts: Sequence[str], colours: Sequence[str]) -> Draw:
    """A bar of 100 % for each group, cut into shares; the first large part of a kind is named above it.

    Args:
        groups: name, the share of each part, and what is written at the end.
        parts, colours: of the parts.
    """
    names = called([name for name, _, _ in groups])
    values = [one for name, (_, cut, _) in zip(names, groups, strict=True) for one in _cut(name, cut, parts, colours)]
    ends = [{"name": name, "end": end, "at": 1.0} for name, (_, _, end) in zip(names, groups, strict=True)]
    large = [one for one in values if one["share"] >= _NAMED]
    named = list({one["part"]: one for one in reversed(large)}.values())

    def draw(width: int) -> Any:
        y = categories(width, names)
        x = alt.X("start:Q", axis=None, scale=outside(0, room(width, 1.16, 1.28)))
        base = alt.Chart(data(values)).encode(y=y)
        marks = base.mark_bar(height=BAR, stroke=theme.PAPER, strokeWidth=1.5).encode(x=x, x2="end:Q", color=filled())
        inside = base.mark_text(fontSize=11.5).encode(x="middle:Q", text="label:N", color=filled("ink"))
        after = alt.Chart(data(ends)).mark_text(align="left", dx=7, fill=theme.MUTED)
        over = alt.Chart(data(named)).mark_text(dy=-19, fontSize=11.5, fill=theme.MUTED)
        texts = after.encode(x="at:Q", y=y, text="end:N") + over.encode(x="middle:Q", y=y, text="part:N")
        return (marks + inside + texts).properties(height=(BAR + _GAP) * len(ends))

    return draw


def _cut(name: str, cut: Sequence[float], parts: Sequence[str], colours: Sequence[str]) -> list[dict[str, Any]]:
    """The parts of one bar."""
    values, start = [], 0.0
    for part, share, colour in zip(parts, cut, colours, strict=True):
        values.append(
            {
                "name": name,
                "part": part,
                "share": share,
                "start": start,
                "end": start + share,
                "middle": start + share / 2,
                "fill": colour,
                "label": percent(share) if share >= _LABELLED else "",
                "ink": theme.ON_WEAK if colour in (theme.NEUTRAL, theme.MIXED) else theme.ON_STRONG,
            }
        )
        start += share
    return values


def waterfall(steps: Sequence[tuple[str, float, float, str, bool]]) -> Draw:
    """What is taken away step by step from a whole, and what is left.

    Args:
        steps: name, where the bar begins and ends, its label, and whether it is a total.
    """
    values = [
        {"name": n, "low": low, "high": high, "label": label, "fill": theme.ACCENT if total else theme.ACCENT_LIGHT}
        for n, low, high, label, total in steps
    ]
    top = max(high for _, _, high, _, _ in steps) or 1

    def draw(width: int) -> Any:
        x = alt.X("low:Q", axis=None, scale=outside(0, top * room(width, 1.25, 1.5)))
        base = alt.Chart(data(values)).encode(y=categories(width, [name for name, *_ in steps]))
        marks = base.mark_bar(height=BAR).encode(x=x, x2="high:Q", color=filled())
        texts = base.mark_text(align="left", dx=7, fontWeight=600).encode(x="high:Q", text="label:N")
        return (marks + texts).properties(height=LINE * len(values))

    return draw
