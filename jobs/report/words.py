"""Numbers, shares and texts of rows as a person reads them."""

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

from jobs.terminal import duration

_NBSP = "\u00a0"
_WORDS = ((1, 10), (1, 5), (1, 4), (1, 3), (2, 5), (1, 2), (3, 5), (2, 3), (3, 4), (4, 5), (9, 10))
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NEAR = 0.015
_KEPT_CONTROLS = frozenset("\n\u200c\u200d")
"""Line breaks, and the joiners that scripts and emoji need."""
_MAX_MARKS, _MAX_LINES = 4, 16
_READ = 8
"""How many times the limit is looked at: white space and marks may go."""


def percent(share: float) -> str:
    """A share as a whole percentage; never 0 or 100 for what is not quite that."""
    if 0 < share < 0.005:
        return f"<{_NBSP}1{_NBSP}%"
    if 0.995 < share < 1:
        return f">{_NBSP}99{_NBSP}%"
    return f"{100 * share:.0f}{_NBSP}%"


def number(value: float) -> str:
    """A number with three digits that matter, large ones in full."""
    if not math.isfinite(value):
        return "–"
    if 0 < abs(value) < 1:
        return f"{value:.3g}"
    if isinstance(value, int) or value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.{max(0, 2 - len(str(int(abs(value)))) + 1)}f}"


def signed(value: float) -> str:
    """A score with its sign."""
    return "0.00" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")


def short_number(value: float) -> str:
    """A number for a tile or a label: 1,234, 12.3 k, 4.6 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 10 * size or (unit != "k" and abs(value) >= size):
            return f"{value / size:.3g}{_NBSP}{unit}"
    return f"{round(value, 1):g}" if abs(value) < 100 else f"{value:,.0f}"


def took(seconds: float) -> str:
    """A time that something took."""
    return duration(seconds).replace(" s", f"{_NBSP}s").replace(" min", f"{_NBSP}min").replace(" h", f"{_NBSP}h")


def plural(count: int, noun: str) -> str:
    """A count with its noun, which is given in the plural."""
    return f"{count:,} {singular(noun) if count == 1 else noun}"


def singular(noun: str) -> str:
    """The singular of one of our nouns."""
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    return noun.removesuffix("s")


def share_of(share: float, noun: str) -> str:
    """The subject of a sentence and its verb: "Two of three reviews are"."""
    if share >= 1:
        return f"All {noun} are"
    if share <= 0:
        return f"None of the {noun} is"
    for part, whole in _WORDS:
        if abs(share - part / whole) <= _NEAR:
            if whole == 2:
                return f"Half of the {noun} are"
            return f"{_NUMBERS[part].capitalize()} of {_NUMBERS[whole]} {noun} {'is' if part == 1 else 'are'}"
    return f"{percent(share)} of the {noun} are"


def listed(words: Sequence[str]) -> str:
    """Words in a row: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def name_of(column: str) -> str:
    """A column's or class's name in words."""
    return " ".join(shown(column, 40).replace("_", " ").split())


def shown(value: Any, limit: int, lines: bool = False) -> str:
    """A text of a row that is fit to be seen: cut, and with nothing in it that steers how others are shown.

    Args:
        value: a text, or anything else that stands in a row.
        limit: the most characters.
        lines: keep its line breaks, the first sixteen.
    """
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    cut = text[: _READ * limit]
    if lines:
        kept = [line.strip() for line in cut.strip().splitlines()]
        whole, cut = len(kept) <= _MAX_LINES, "\n".join(kept[:_MAX_LINES])
    else:
        whole, cut = True, " ".join(cut.split())
    found = _visible(cut).strip()
    if whole and len(found) <= limit and len(text) <= _READ * limit:
        return found
    return found[: limit - 1].rstrip() + "…"


def _visible(text: str) -> str:
    """Control and direction characters as escapes, and no more than four marks on a letter."""
    out, marks = [], 0
    for char in text:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks > _MAX_MARKS:
            continue
        steers = kind in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and char not in _KEPT_CONTROLS
        out.append(char.encode("unicode_escape").decode() if steers else char)
    return "".join(out)
