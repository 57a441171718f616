"""What a report is made of, whatever it is written as: tiles, figures, tables and cards, in sections, in chapters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Draw = Callable[[int], Any]
"""Draws a chart of so many pixels in width (an `altair` chart)."""
Tone = Literal["", "good", "bad", "quiet"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the headline, with what it is of."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with a sentence for a title.

    Attributes:
        name: of the file, where charts become files.
        note: what is shown, with units.
        wide: it takes the whole width of the page.
    """

    name: str
    title: str
    note: str
    draw: Draw
    wide: bool = False
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        is_row_text: it comes from a row, in whatever script and direction.
        number: it stands at the right.
    """

    text: str
    is_row_text: bool = False
    number: bool = False
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows under named columns. `is_even`: the last two are as wide as those of other such tables."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    wide: bool = False
    is_even: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a card, under a small heading."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """One result with its texts.

    Attributes:
        heading: of row text; may be empty.
        tags: row text in small.
        marks: what is good or bad about it, in few words.
        notes: what failed, a line each.
    """

    heading: str
    parts: Sequence[Part]
    tags: Sequence[str] = ()
    marks: Sequence[tuple[str, Tone]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Cards:
    """Some results. `side_by_side`: the texts of each stand beside each other."""

    title: str
    note: str
    cards: Sequence[Card]
    side_by_side: bool = False
    wide: bool = True
    kind: Literal["cards"] = "cards"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values in small, for those who look for them."""

    title: str
    items: Sequence[tuple[str, str]]
    wide: bool = True
    kind: Literal["facts"] = "facts"


Block = Figure | Table | Cards | Facts


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks about one matter."""

    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """All about one run.

    Attributes:
        slug: names it in links and files; made of letters and digits of ours.
        title, lead: what it is, and what came of it in a sentence or two.
    """

    slug: str
    title: str
    lead: str
    tiles: Sequence[Tile]
    sections: Sequence[Section] = field(default_factory=tuple)
