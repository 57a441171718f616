"""What several charts have in common."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from jobs.report import theme
from jobs.report.words import shown

BAR, LINE = 22, 34
"""Pixels: how thick a bar is, and how far a line of a chart is from the next."""


def data(rows: Sequence[dict[str, Any]]) -> alt.InlineData:
    """Rows that a chart holds itself."""
    return alt.InlineData(values=list(rows))


def called(names: Sequence[str], limit: int = 26) -> list[str]:
    """Names that fit beside a chart, each another one: equal ones would share a line."""
    found: list[str] = []
    for name in names:
        short = shown(name, limit) or "(empty)"
        found.append(short if short not in found else f"{shown(name, limit - 5)} ({len(found) + 1})")
    return found


def categories(width: int, order: Sequence[str]) -> alt.Y:
    """Names down the left side, in this order."""
    axis = alt.Axis(labelLimit=int(width * 0.36), labelColor=theme.INK, labelPadding=8)
    return alt.Y("name:N", sort=list(order), title=None, axis=axis)


def room(width: int, wide: float, narrow: float) -> float:
    """How far a scale goes on beyond its data, for the labels there."""
    return wide if width > theme.NARROW else narrow


def unit_above(unit: str | None, form: str | None = None) -> alt.Axis:
    """An axis upwards, whose unit stands above it, to be read without turning the head."""
    place = {"titleAngle": 0, "titleAnchor": "end", "titleAlign": "left", "titleY": -12, "titleX": 0}
    more: dict[str, Any] = {**({"format": form} if form else {}), **(place if unit else {})}
    return alt.Axis(title=unit, tickCount=4, gridDash=[2, 3], **more)


def filled(field: str = "fill") -> alt.Color:
    """Each mark has the colour that its row says."""
    return alt.Color(f"{field}:N", scale=None)


def outside(low: float, high: float) -> alt.Scale:
    """A scale that ends exactly there."""
    return alt.Scale(domain=[low, high], nice=False)
