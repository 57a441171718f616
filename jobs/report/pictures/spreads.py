"""How numbers and classes are spread: histograms, intervals, tables of shares, probabilities held against truth."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from jobs.report import theme
from jobs.report.blocks import Draw
from jobs.report.pictures.common import LINE, called, categories, data, filled, outside, room

_CELL, _PAIR = 38, 58
"""Pixels: the height of a table's row, and of a pair of dots with its labels."""


def histogram(edges: Sequence[float], counts: Sequence[int], colours: Sequence[str], unit: str) -> Draw:
    """Bars that touch, over a range of numbers."""
    values = [
        {"low": float(low), "high": float(high), "rows": int(count), "fill": colour}
        for (low, high), count, colour in zip(pairwise(edges), counts, colours, strict=True)
    ]

    def draw(width: int) -> Any:
        across = alt.Axis(title=unit, tickCount=5, grid=False)
        up = alt.Axis(title=None, tickCount=4, format="~s", gridDash=[2, 3])
        base = alt.Chart(data(values)).mark_bar(stroke=theme.PAPER, strokeWidth=1)
        x = alt.X("low:Q", axis=across, scale=outside(edges[0], edges[-1]))
        y, zero = alt.Y("rows:Q", axis=up), alt.datum(0)
        return base.encode(x=x, x2="high:Q", y=y, y2=zero, color=filled()).properties(height=210)

    return draw


def dots(rows: Sequence[tuple[str, float, float, float, str]], middle: float, form: str) -> Draw:
    """A dot with its interval for each group, beside a line at what all have.

    Args:
        rows: name, value, low, high, and what is written at the right.
        middle: what all have.
        form: the number format of the axis (d3).
    """
    names = called([name for name, *_ in rows])
    values = [
        {"name": name, "value": value, "low": low, "high": high, "end": end}
        for name, (_, value, low, high, end) in zip(names, rows, strict=True)
    ]
    low, high = min(row[2] for row in rows), max(row[3] for row in rows)
    spread = max(high - low, 1e-6)

    def draw(width: int) -> Any:
        axis = alt.Axis(title=None, format=form, tickCount=4, grid=True, gridDash=[2, 3])
        scale = outside(low - 0.05 * spread, high + (room(width, 1.34, 1.6) - 1) * spread)
        x = alt.X("value:Q", axis=axis, scale=scale)
        base = alt.Chart(data(values)).encode(y=categories(width, names))
        spans = base.mark_rule(strokeWidth=2, color=theme.ACCENT_LIGHT).encode(x=alt.X("low:Q", axis=axis), x2="high:Q")
        marks = base.mark_point(filled=True, size=70, color=theme.ACCENT, opacity=1).encode(x=x)
        texts = base.mark_text(align="left", dx=9, fontWeight=600).encode(x="high:Q", text="end:N")
        rule = alt.Chart(data([{"all": middle}])).mark_rule(color=theme.MUTED, strokeDash=[3, 3]).encode(x="all:Q")
        return (rule + spans + marks + texts).properties(height=LINE * len(values))

    return draw


def heat(
    down: Sequence[str], across: Sequence[str], cells: Sequence[Sequence[float]], labels: Sequence[Sequence[str]]
) -> Draw:
    """A table of shares, the stronger the colour the larger.

    Args:
        cells: for each row, values in [0, 1].
        labels: what is written into them.
    """
    rows, columns = called(down, 18), called(across, 14)
    values = [
        {
            "name": row,
            "column": column,
            "value": round(0.06 + 0.94 * value, 3),
            "label": label,
            "ink": theme.ON_STRONG if value > 0.5 else theme.ON_WEAK,
        }
        for row, shades, texts in zip(rows, cells, labels, strict=True)
        for column, value, label in zip(columns, shades, texts, strict=True)
    ]

    def draw(width: int) -> Any:
        angle = 0 if width / max(1, len(columns)) > 90 else -35
        axis = alt.Axis(title=None, orient="top", labelAngle=angle, labelColor=theme.INK, labelLimit=100)
        x = alt.X("column:N", sort=columns, axis=axis)
        base = alt.Chart(data(values)).encode(x=x, y=categories(width, rows))
        shade = alt.Opacity("value:Q", scale=None)
        marks = base.mark_rect(color=theme.ACCENT, stroke=theme.PAPER, strokeWidth=2).encode(opacity=shade)
        texts = base.mark_text(fontSize=11.5).encode(text="label:N", color=filled("ink"))
        return (marks + texts).properties(height=_CELL * len(rows))

    return draw


def reliability(points: Sequence[tuple[float, float, int]]) -> Draw:
    """How often answers are right against how probable the model said they were; the more rows, the larger the dot."""
    values = [{"said": said, "right": right, "rows": rows} for said, right, rows in points]

    def draw(width: int) -> Any:
        across = alt.Axis(title="probability that the model gave", format=".0%", tickCount=5)
        up = alt.Axis(title="share that was right", format=".0%", tickCount=5, gridDash=[2, 3])
        x, y = alt.X("said:Q", axis=across, scale=outside(0, 1)), alt.Y("right:Q", axis=up, scale=outside(0, 1))
        even = alt.Chart(data([{"said": 0, "right": 0}, {"said": 1, "right": 1}]))
        diagonal = even.mark_line(color=theme.MUTED, strokeDash=[3, 3], strokeWidth=1).encode(x=x, y=y)
        base = alt.Chart(data(values)).encode(x=x, y=y)
        sizes = alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[30, 500]))
        marks = base.mark_point(filled=True, color=theme.ACCENT, opacity=0.9).encode(size=sizes)
        joined = base.mark_line(color=theme.ACCENT_LIGHT, strokeWidth=2)
        return (diagonal + joined + marks).properties(height=min(width, 380) - 40)

    return draw


def pairs(rows: Sequence[tuple[str, float, float]], first: str, second: str) -> Draw:
    """Two dots on a scale from 0 to 1 for each row, joined and labelled."""
    names = called([name for name, _, _ in rows])
    sides = ((first, 1, theme.ACCENT, -13), (second, 2, theme.MIXED, 17))
    spans = [{"name": name, "low": min(row[1:]), "high": max(row[1:])} for name, row in zip(names, rows, strict=True)]

    def draw(width: int) -> Any:
        y = categories(width, names)
        axis = alt.Axis(title=None, values=[0, 0.25, 0.5, 0.75, 1], format=".2f", grid=True, gridDash=[2, 3])
        x = alt.X("low:Q", axis=axis, scale=outside(0, 1.12))
        layers: Any = alt.Chart(data(spans)).mark_rule(color=theme.GRID, strokeWidth=3).encode(x=x, x2="high:Q", y=y)
        for side, of, fill, dy in sides:
            values = [
                {"name": name, "value": row[of], "label": f"{side} {row[of]:.2f}"}
                for name, row in zip(names, rows, strict=True)
            ]
            base = alt.Chart(data(values)).encode(x="value:Q", y=y)
            layers += base.mark_point(filled=True, size=80, opacity=1, color=fill)
            layers += base.mark_text(dy=dy, fontSize=11.5, fill=theme.MUTED).encode(text="label:N")
        return layers.properties(height=_PAIR * len(rows))

    return draw
