"""What goes on over time."""

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from jobs.report import theme
from jobs.report.blocks import Draw
from jobs.report.pictures.common import data, outside, unit_above


def line(
    points: Sequence[tuple[str, float, float, float]], unit: str, form: str, domain: tuple[float, float], days: str
) -> Draw:
    """A line over time with the band of its uncertainty, and its ends labelled.

    Args:
        points: the day as YYYY-MM-DD, the value, and the band's low and high; at least one.
        unit, form: what the values are, and their number format (d3).
        domain: the values' least and largest that are drawn.
        days: the format of the days (d3).
    """
    values = [{"day": f"{day}T00:00", "value": value, "low": low, "high": high} for day, value, low, high in points]
    ends: tuple[tuple[Any, Literal["left", "right"]], ...] = ((values[0], "left"), (values[-1], "right"))

    def draw(width: int) -> Any:
        axis = alt.Axis(title=None, tickCount=4 if width <= theme.NARROW else 8, format=days, labelOverlap=True)
        up, scale = unit_above(unit, form), outside(*domain)
        x, y = alt.X("day:T", axis=axis), alt.Y("value:Q", axis=up, scale=scale)
        base = alt.Chart(data(values)).encode(x=x)
        layers: Any = base.mark_area(color=theme.BAND).encode(y=alt.Y("low:Q", axis=up, scale=scale), y2="high:Q")
        layers += base.mark_line(color=theme.ACCENT, strokeWidth=2.25).encode(y=y)
        for value, align in ends:
            end = alt.Chart(data([value])).encode(x=x, y=y)
            layers += end.mark_point(filled=True, size=42, color=theme.ACCENT, opacity=1)
            text = alt.Text("value:Q", format=form)
            layers += end.mark_text(dy=-14, align=align, fontWeight=600).encode(text=text)
        return layers.properties(height=230)

    return draw


def steps(points: Sequence[tuple[float, float]], across: str, up: str) -> Draw:
    """An area of steps over elapsed time."""
    values = [{"at": at, "value": value} for at, value in points]

    def draw(width: int) -> Any:
        x = alt.X("at:Q", axis=alt.Axis(title=across, tickCount=6), scale=alt.Scale(nice=False))
        base = alt.Chart(data(values)).encode(x=x, y=alt.Y("value:Q", axis=unit_above(up)))
        area = base.mark_area(color=theme.BAND, interpolate="step-before")
        edge = base.mark_line(color=theme.ACCENT, strokeWidth=1.75, interpolate="step-before")
        return (area + edge).properties(height=200)

    return draw
