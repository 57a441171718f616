"""The charts, each a function of plain rows of numbers; texts of rows are data in them, never names or expressions."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from jobs.report import theme
from jobs.report.words import percent, shown

_LABEL = 26
_BAR = 22
_ROW = 34


def _data(rows: Sequence[dict[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))


def _categories(width: int, order: Sequence[str]) -> alt.Y:
    axis = alt.Axis(labelLimit=int(width * 0.36), labelColor=theme.INK, labelPadding=8)
    return alt.Y("name:N", sort=list(order), title=None, axis=axis)


def bars(rows: Sequence[tuple[str, float, str]], colours: Sequence[str] | None = None) -> Any:
    """Horizontal bars.

    Args:
        rows: name, length, and what is written at the end of the bar.
        colours: one for each bar.
    """
    fills = colours or [theme.ACCENT] * len(rows)
    values = [
        {"name": shown(n, _LABEL), "value": v, "label": text, "fill": c}
        for (n, v, text), c in zip(rows, fills, strict=True)
    ]
    top = max((v for _, v, _ in rows), default=1) or 1

    def draw(width: int) -> Any:
        y = _categories(width, [value["name"] for value in values])
        scale = alt.Scale(domain=[0, top * (1.22 if width > theme.NARROW else 1.4)], nice=False)
        x = alt.X("value:Q", axis=None, scale=scale)
        base = alt.Chart(_data(values)).encode(x=x, y=y)
        marks = base.mark_bar(height=_BAR, cornerRadiusEnd=2).encode(color=alt.Color("fill:N", scale=None))
        texts = base.mark_text(align="left", dx=7, fontWeight=600).encode(text="label:N")
        return (marks + texts).properties(height=_ROW * len(values))

    return draw


def shares(groups: Sequence[tuple[str, Sequence[float], str]], names: Sequence[str], colours: Sequence[str]) -> Any:
    """A bar of 100 % for each group, cut into shares; the first bar's parts are named above it.

    Args:
        groups: name, the share of each part, and what is written at the end.
        names, colours: of the parts.
    """
    values, ends = [], []
    for group, parts, end in groups:
        start = 0.0
        for part, share, colour in zip(names, parts, colours, strict=True):
            middle, weak = start + share / 2, colour == theme.NEUTRAL
            values.append(
                {
                    "name": shown(group, _LABEL),
                    "part": part,
                    "start": start,
                    "end": start + share,
                    "middle": middle,
                    "fill": colour,
                    "label": percent(share) if share >= 0.09 else "",
                    "first": not ends and share >= 0.16,
                    "ink": theme.ON_WEAK if weak or colour == theme.MIXED else theme.ON_STRONG,
                }
            )
            start += share
        ends.append({"name": shown(group, _LABEL), "end": end, "at": 1.0})

    def draw(width: int) -> Any:
        y = _categories(width, [end["name"] for end in ends])
        room = 1.16 if width > theme.NARROW else 1.28
        x = alt.X("start:Q", axis=None, scale=alt.Scale(domain=[0, room], nice=False))
        base = alt.Chart(_data(values)).encode(y=y)
        marks = base.mark_bar(height=_BAR, stroke=theme.PAPER, strokeWidth=1.5).encode(
            x=x, x2="end:Q", color=alt.Color("fill:N", scale=None)
        )
        inside = base.mark_text(fontSize=11.5).encode(
            x="middle:Q", text="label:N", color=alt.Color("ink:N", scale=None)
        )
        after = (
            alt.Chart(_data(ends)).mark_text(align="left", dx=7, fill=theme.MUTED).encode(x="at:Q", y=y, text="end:N")
        )
        named = [{**value, "fill": theme.MUTED} for value in values if value["first"]]
        over = (
            alt.Chart(_data(named))
            .mark_text(dy=-20, fontSize=11.5)
            .encode(x="middle:Q", y=y, text="part:N", color=alt.Color("fill:N", scale=None))
        )
        return (marks + inside + after + over).properties(height=_ROW * len(ends))

    return draw


def histogram(edges: Sequence[float], counts: Sequence[int], colours: Sequence[str], unit: str, ticks: int = 5) -> Any:
    """Bars that touch, over a range of numbers."""
    values = [
        {"low": float(low), "high": float(high), "rows": int(n), "fill": colour}
        for low, high, n, colour in zip(edges, edges[1:], counts, colours, strict=False)
    ]

    def draw(width: int) -> Any:
        across = alt.Axis(title=unit, tickCount=ticks, grid=False)
        up = alt.Axis(title=None, tickCount=4, format="~s", gridDash=[2, 3])
        return (
            alt.Chart(_data(values))
            .mark_bar(stroke=theme.PAPER, strokeWidth=1)
            .encode(
                x=alt.X("low:Q", axis=across, scale=alt.Scale(domain=[edges[0], edges[-1]], nice=False)),
                x2="high:Q",
                y=alt.Y("rows:Q", axis=up),
                y2=alt.datum(0),
                color=alt.Color("fill:N", scale=None),
            )
            .properties(height=210)
        )

    return draw


def line(
    points: Sequence[tuple[str, float, float, float]],
    unit: str,
    form: str,
    domain: tuple[float, float] | None = None,
    time: str = "%b %Y",
) -> Any:
    """A line over time with the band of its uncertainty, and its ends labelled.

    Args:
        points: the day as YYYY-MM-DD, the value, and the band's low and high.
        form: the number format of the values (d3).
        time: the format of the days (d3).
    """
    values = [{"day": day, "value": value, "low": low, "high": high} for day, value, low, high in points]
    ends = [{**values[0], "align": "left"}, values[-1]] if values else []

    def draw(width: int) -> Any:
        axis = alt.Axis(title=None, tickCount=4 if width <= theme.NARROW else 8, format=time, labelOverlap=True)
        x = alt.X("day:T", axis=axis)
        up = alt.Axis(
            title=unit,
            tickCount=4,
            format=form,
            gridDash=[2, 3],
            titleAnchor="end",
            titleAngle=0,
            titleAlign="left",
            titleY=-10,
            titleX=0,
        )
        scale = alt.Scale(domain=list(domain), clamp=True) if domain else alt.Scale(zero=False, nice=True)
        y = alt.Y("value:Q", axis=up, scale=scale)
        base = alt.Chart(_data(values)).encode(x=x)
        band = base.mark_area(color=theme.BAND).encode(y=alt.Y("low:Q", axis=up, scale=scale), y2="high:Q")
        run = base.mark_line(color=theme.ACCENT, strokeWidth=2.25).encode(y=y)
        dots = alt.Chart(_data(ends)).mark_point(filled=True, size=42, color=theme.ACCENT, opacity=1).encode(x=x, y=y)
        texts = (
            alt.Chart(_data(ends))
            .mark_text(dy=-13, fontWeight=600)
            .encode(x=x, y=y, text=alt.Text("value:Q", format=form))
        )
        return (band + run + dots + texts).properties(height=230)

    return draw


def dots(rows: Sequence[tuple[str, float, float, float, str]], middle: float | None, form: str) -> Any:
    """A dot with its interval for each group, beside a line at what all have.

    Args:
        rows: name, value, low, high, and what is written at the right.
    """
    values = [
        {"name": shown(n, _LABEL), "value": v, "low": low, "high": high, "end": end} for n, v, low, high, end in rows
    ]
    low, high = min(v["low"] for v in values), max(v["high"] for v in values)
    room = max(high - low, 1e-6)

    def draw(width: int) -> Any:
        y = _categories(width, [v["name"] for v in values])
        axis = alt.Axis(title=None, format=form, tickCount=4, grid=True, gridDash=[2, 3])
        right = 0.34 if width > theme.NARROW else 0.6
        x = alt.X("value:Q", axis=axis, scale=alt.Scale(domain=[low - 0.05 * room, high + right * room], nice=False))
        base = alt.Chart(_data(values)).encode(y=y)
        spans = base.mark_rule(strokeWidth=2, color=theme.ACCENT_LIGHT).encode(x=alt.X("low:Q", axis=axis), x2="high:Q")
        marks = base.mark_point(filled=True, size=70, color=theme.ACCENT, opacity=1).encode(x=x)
        texts = base.mark_text(align="left", dx=9, fontWeight=600).encode(x="high:Q", text="end:N")
        layers = spans + marks + texts
        if middle is not None:
            rule = alt.Chart(_data([{"all": middle}])).mark_rule(color=theme.MUTED, strokeDash=[3, 3]).encode(x="all:Q")
            layers = rule + layers
        return layers.properties(height=_ROW * len(values))

    return draw


def heat(
    down: Sequence[str], across: Sequence[str], cells: Sequence[Sequence[float]], labels: Sequence[Sequence[str]]
) -> Any:
    """A table of shares, the darker the larger.

    Args:
        cells: for each row, values in [0, 1]; `labels`: what is written into them.
    """
    rows = [shown(name, 18) for name in down]
    columns = [shown(name, 14) for name in across]
    values = [
        {
            "name": rows[i],
            "column": columns[j],
            "value": round(0.06 + 0.94 * value, 3),
            "label": labels[i][j],
            "ink": theme.ON_STRONG if value > 0.5 else theme.ON_WEAK,
        }
        for i, line_ in enumerate(cells)
        for j, value in enumerate(line_)
    ]

    def draw(width: int) -> Any:
        angle = 0 if width / max(1, len(columns)) > 90 else -35
        axis = alt.Axis(title=None, orient="top", labelAngle=angle, labelColor=theme.INK, labelLimit=100)
        x = alt.X("column:N", sort=columns, axis=axis)
        base = alt.Chart(_data(values)).encode(x=x, y=_categories(width, rows))
        cells_ = base.mark_rect(color=theme.ACCENT, stroke=theme.PAPER, strokeWidth=2).encode(
            opacity=alt.Opacity("value:Q", scale=None)
        )
        texts = base.mark_text(fontSize=11.5).encode(text="label:N", color=alt.Color("ink:N", scale=None))
        return (cells_ + texts).properties(height=38 * len(rows))

    return draw


def reliability(points: Sequence[tuple[float, float, int]]) -> Any:
    """How often answers are right against how probable the model said they were; dots are as large as they are many."""
    values = [{"said": said, "right": right, "rows": rows, "label": f"{rows:,}"} for said, right, rows in points]

    def draw(width: int) -> Any:
        scale = alt.Scale(domain=[0, 1], nice=False)
        across = alt.Axis(title="probability that the model gave", format=".0%", tickCount=5)
        up = alt.Axis(title="share that was right", format=".0%", tickCount=5, gridDash=[2, 3])
        x, y = alt.X("said:Q", axis=across, scale=scale), alt.Y("right:Q", axis=up, scale=scale)
        even = alt.Chart(_data([{"said": 0, "right": 0}, {"said": 1, "right": 1}]))
        diagonal = even.mark_line(color=theme.MUTED, strokeDash=[3, 3], strokeWidth=1).encode(x=x, y=y)
        base = alt.Chart(_data(values)).encode(x=x, y=y)
        joined = base.mark_line(color=theme.ACCENT_LIGHT, strokeWidth=2)
        sizes = alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[30, 500]))
        marks = base.mark_point(filled=True, color=theme.ACCENT, opacity=0.9).encode(size=sizes)
        return (diagonal + joined + marks).properties(height=min(width, 380) - 40)

    return draw


def pairs(rows: Sequence[tuple[str, float, float]], first: str, second: str, form: str) -> Any:
    """Two dots for each row, joined, the first row's named."""
    values = [
        {"name": shown(n, _LABEL), "side": side, "value": v, "fill": fill, "label": f"{side} {v:{form}}", "dy": dy}
        for n, a, b in rows
        for side, v, fill, dy in ((first, a, theme.ACCENT, -13), (second, b, theme.MIXED, 17))
    ]
    spans = [{"name": shown(n, _LABEL), "low": min(a, b), "high": max(a, b)} for n, a, b in rows]

    def draw(width: int) -> Any:
        y = _categories(width, [span["name"] for span in spans])
        scale = alt.Scale(domain=[0, 1.12], nice=False)
        axis = alt.Axis(title=None, values=[0, 0.25, 0.5, 0.75, 1], format=".2f", grid=True, gridDash=[2, 3])
        rule = (
            alt.Chart(_data(spans))
            .mark_rule(color=theme.GRID, strokeWidth=3)
            .encode(x=alt.X("low:Q", axis=axis, scale=scale), x2="high:Q", y=y)
        )
        layers = rule
        for side, dy in ((first, -13), (second, 17)):
            base = alt.Chart(_data([v for v in values if v["side"] == side])).encode(
                x="value:Q", y=y, color=alt.Color("fill:N", scale=None)
            )
            layers = (
                layers
                + base.mark_point(filled=True, size=80, opacity=1)
                + base.mark_text(dy=dy, fontSize=11.5).encode(text="label:N")
            )
        return layers.properties(height=58 * len(rows))

    return draw


def waterfall(steps: Sequence[tuple[str, float, float, str, bool]]) -> Any:
    """What is taken away step by step from a whole, and what is left.

    Args:
        steps: name, where the bar begins and ends, its label, and whether it is a total.
    """
    values = [
        {"name": n, "low": low, "high": high, "label": label, "fill": theme.ACCENT if total else theme.ACCENT_LIGHT}
        for n, low, high, label, total in steps
    ]
    top = max(v["high"] for v in values) or 1

    def draw(width: int) -> Any:
        y = _categories(width, [v["name"] for v in values])
        scale = alt.Scale(domain=[0, top * (1.2 if width > theme.NARROW else 1.5)], nice=False)
        base = alt.Chart(_data(values)).encode(y=y)
        marks = base.mark_bar(height=_BAR, cornerRadius=2).encode(
            x=alt.X("low:Q", axis=None, scale=scale), x2="high:Q", color=alt.Color("fill:N", scale=None)
        )
        texts = base.mark_text(align="left", dx=7, fontWeight=600).encode(x="high:Q", text="label:N")
        return (marks + texts).properties(height=_ROW * len(values))

    return draw


def steps(points: Sequence[tuple[float, float]], across: str, up: str) -> Any:
    """An area of steps over elapsed time."""
    values = [{"at": at, "value": value} for at, value in points]

    def draw(width: int) -> Any:
        base = alt.Chart(_data(values)).encode(
            x=alt.X("at:Q", axis=alt.Axis(title=across, tickCount=6), scale=alt.Scale(nice=False)),
            y=alt.Y(
                "value:Q",
                axis=alt.Axis(
                    title=up,
                    tickCount=4,
                    gridDash=[2, 3],
                    titleAngle=0,
                    titleAnchor="end",
                    titleAlign="left",
                    titleY=-10,
                    titleX=0,
                ),
            ),
        )
        area = base.mark_area(color=theme.BAND, interpolate="step-before")
        edge = base.mark_line(color=theme.ACCENT, strokeWidth=1.75, interpolate="step-before")
        return (area + edge).properties(height=200)

    return draw
