"""The verdict of a check, and the one line that says why it failed."""

import unicodedata
from collections.abc import Sequence

from schemas.results import Check

_MAX_QUOTED = 3
MAX_QUOTE_CHARS = 60


def verdict(name: str, problem: str) -> Check:
    """Passed without a problem, otherwise failed with the problem as its detail."""
    return Check(name=name, passed=not problem, detail=problem or None)


def quote(values: Sequence[str], mark: str = "'") -> str:
    """At most three values on one line, each cut, without what cannot be printed."""
    shown = ", ".join(f"{mark}{_one_line(value)}{mark}" for value in values[:_MAX_QUOTED])
    more = len(values) - _MAX_QUOTED
    return f"{shown} and {more} more" if more > 0 else shown


def _one_line(value: str) -> str:
    """Without line breaks, characters of no shape and lone surrogates; joiners within emoji stay."""
    line = " ".join(value[: 4 * MAX_QUOTE_CHARS].split())
    line = "".join(char for char in line if char == "\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
    return line if len(line) <= MAX_QUOTE_CHARS else line[: MAX_QUOTE_CHARS - 1] + "…"
