"""The report as a file: one page of HTML, or Markdown or pictures for what goes on from there."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from jobs.report import theme
from jobs.report.blocks import Chapter, Figure
from pipeline.errors import RunError, UsageError


class Form(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MD = "md"
    PNG = "png"


def write_report(
    chapters: Sequence[Chapter], title: str, out: Path, form: Form, now: datetime | None = None
) -> list[Path]:
    """Write the report; returns the files, the main one first.

    HTML is one file. Markdown has its charts as pictures in a folder beside it; `png` is that folder alone.

    Raises:
        UsageError: if there is no picture to write as `png`.
        RunError: if the disk refuses it.
    """
    figures = [(chapter, figure) for chapter in chapters for figure in _figures(chapter)]
    if form is Form.PNG and not figures:
        raise UsageError("there is nothing to draw: no row has a result", "the other formats say why")
    now = now or datetime.now(UTC)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if form is Form.HTML:
            return [_put(out, _html(chapters, title, now).encode())]
        folder = out if form is Form.PNG else out.with_name(f"{out.stem}_charts")
        pictures = _draw_all(figures, folder)
        if form is Form.PNG:
            return pictures
        return [_put(out, _markdown(chapters, title, folder.name, now).encode()), *pictures]
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from None


def _put(file: Path, content: bytes) -> Path:
    """Write it whole, so that a reader never sees half of it."""
    scratch = file.with_name(f".{file.name}.tmp")
    scratch.write_bytes(content)
    scratch.replace(file)
    return file


def _figures(chapter: Chapter) -> list[Figure]:
    return [block for section in chapter.sections for block in section.blocks if isinstance(block, Figure)]


def _draw_all(figures: Sequence[tuple[Chapter, Figure]], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _put(folder / f"{chapter.slug}-{one.name}.png", theme.to_png(one.draw(width_of(one)), width_of(one)))
        for chapter, one in figures
    ]


def width_of(figure: Figure) -> int:
    """Its width on a screen, in pixels."""
    return theme.WIDE if figure.wide else theme.HALF


def _svg(figure: Figure, width: int) -> Markup:
    """The chart as markup: what comes of rows in it was escaped when it was drawn."""
    return Markup(theme.to_svg(figure.draw(width), width))  # noqa: S704


def _html(chapters: Sequence[Chapter], title: str, now: datetime) -> str:
    css = (files("jobs.report") / "templates" / "report.css").read_text(encoding="utf-8")
    return _render(
        "report.html.j2",
        chapters=chapters,
        title=title,
        now=now,
        css=Markup(css),  # noqa: S704
        dark=theme.dark_rules(),
        svg=_svg,
        width_of=width_of,
        narrow=theme.NARROW,
    )


def _markdown(chapters: Sequence[Chapter], title: str, charts: str, now: datetime) -> str:
    return _render("report.md.j2", chapters=chapters, title=title, charts=charts, now=now, md=escape_markdown)


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("jobs.report"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]()#+!|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})

_LINKS = re.compile(r"(?i)(?<=h)(?=ttp)|(?<=f)(?=tp)|(?<=w)(?=ww\.)|(?<=@)")
"""Where a space of no width keeps addresses and mentions from becoming links without any mark-up, as on GitHub."""


def escape_markdown(text: str) -> str:
    """A text of which Markdown makes nothing but itself, on one line."""
    return _LINKS.sub("&#8203;", text.translate(_SPECIAL).replace("\n", "<br>"))
