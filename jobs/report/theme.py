"""How charts look, and how they become SVG and PNG.

A chart is drawn once, in the light colours. Each colour of the palette is a value of its own, so that the page's style
can replace it in the dark by an attribute selector, without a script.
"""

from collections.abc import Sequence
from typing import Any

INK, MUTED, GRID, PAPER = "#20242b", "#6a6f78", "#e3e1db", "#fffefc"
ACCENT, ACCENT_LIGHT, BAND = "#27627f", "#a9c4d1", "#dde8ed"
POSITIVE, NEUTRAL, MIXED, NEGATIVE = "#27637f", "#c3c0b7", "#d3a53f", "#bf5a34"
ON_STRONG, ON_WEAK = "#fffefd", "#20242c"

DARK = {
    INK: "#e9e7e2",
    MUTED: "#a2a6ad",
    GRID: "#3a3d42",
    PAPER: "#1d1f22",
    ACCENT: "#6db3d0",
    ACCENT_LIGHT: "#3d6376",
    BAND: "#293b44",
    POSITIVE: "#6cb3d0",
    NEUTRAL: "#6b6e73",
    MIXED: "#dcb45c",
    NEGATIVE: "#e28a63",
    ON_STRONG: "#17191b",
    ON_WEAK: "#f1efea",
}
"""What each colour is in the dark."""

SENTIMENT_COLOURS = {"positive": POSITIVE, "neutral": NEUTRAL, "mixed": MIXED, "negative": NEGATIVE}
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
WIDE, HALF, NARROW = 980, 470, 330


def styled(chart: Any, width: int) -> dict[str, Any]:
    """The Vega-Lite specification of a chart of so many pixels in width, in our style."""
    spec: dict[str, Any] = chart.properties(width=width).to_dict(validate=False)
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["background"] = None
    spec["padding"] = {"left": 0, "right": 4, "top": 4, "bottom": 2}
    text = {"labelColor": MUTED, "labelFont": FONT, "labelFontSize": 12, "titleColor": MUTED, "titleFont": FONT}
    spec["config"] = {
        "aria": False,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            **text,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "domain": False,
            "ticks": False,
            "labelPadding": 6,
            "gridColor": GRID,
        },
        "axisX": {"grid": False},
        "text": {"font": FONT, "fontSize": 12, "fill": INK},
    }
    return spec


def to_svg(chart: Any, width: int) -> str:
    """The chart as an SVG element without a size of its own: it fits the page."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(styled(chart, width))
    head, _, body = svg.partition(">")
    box = head.split('viewBox="', 1)[1].split('"', 1)[0]
    return f'<svg viewBox="{box}" style="max-width:{box.split()[2]}px" aria-hidden="true">{body}'


def to_png(chart: Any, width: int) -> bytes:
    """The chart as a picture of twice the pixels, on paper."""
    import vl_convert

    spec = {**styled(chart, width), "background": PAPER, "padding": 16}
    return bytes(vl_convert.vegalite_to_png(spec, scale=2))


def dark_rules() -> Sequence[tuple[str, str]]:
    """Each colour with what replaces it in the dark."""
    return tuple(DARK.items())
