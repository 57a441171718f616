"""A text as the recognisers read it: usual dashes, spaces and letters in place of those that only look like them."""

import re
from typing import NamedTuple

_UNUSUAL = re.compile(
    r"[\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000-\u2015\u202a-\u202f\u205f-\u2064\u2066-\u2069\u2212\u3000\ufe63\ufe6b"
    r"\ufeff\uff01-\uff5e]"
)
_USUAL = {
    **dict.fromkeys([0x00A0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " "),
    **dict.fromkeys([0x2010, 0x2011, 0xFE63], "-"),
    0xFE6B: "@",
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
}
"""One for one; fullwidth letters are as far from the usual ones as all of their block."""
_LONG_DASH = re.compile(r"(?<=[\d)])[\u2012-\u2015\u2212](?=[\w(])")
"""In a number; elsewhere such a dash parts words, where a hyphen joins them."""
_NO_WIDTH = re.compile(r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


class Spelt(NamedTuple):
    """A text in the usual spelling.

    Attributes:
        text: without what has no width.
        places: where each of its characters stood; None: where it stands.
    """

    text: str
    places: list[int] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A stretch, where it stood."""
        if self.places is None or start == end:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def spelt(text: str) -> Spelt:
    """The text in the usual spelling."""
    if text.isascii() or not _UNUSUAL.search(text):
        return Spelt(text, None)
    usual = text.translate(_USUAL)
    places = None
    if _NO_WIDTH.search(usual):
        places = [i for i, char in enumerate(usual) if not _NO_WIDTH.match(char)]
        usual = "".join(usual[i] for i in places)
    return Spelt(_LONG_DASH.sub("-", usual), places)
