"""A trial's cells as a person reads them, side by side."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from jobs.terminal import duration, plain_table, printable
from jobs.trying.trial import Cell

_FIGURES = ("failed", "checks", "rows/s", "tokens in", "out", "all rows", "cost")


def print_trial(console: Console, cells: Sequence[Cell]) -> None:
    """A table, the best first, then what went wrong."""
    measures = list(dict.fromkeys(name for cell in cells for name in cell.quality))
    columns = ["model", "prompt", *measures, *_FIGURES]
    rows = [[cell.model, cell.prompt, *_quality(cell, measures), *_figures(cell)] for cell in cells]
    shown = [i for i in range(len(columns)) if i < 2 or any(row[i] != "-" for row in rows)]
    table = [[printable(row[i]) for i in shown] for row in rows]
    console.print(plain_table(None, [columns[i] for i in shown], table))
    for cell in cells:
        if cell.error:
            said = f"{cell.model}, {cell.prompt}: {cell.error}"
            console.print(
                Text.assemble((f"{'no quality' if cell.rows else 'failed':<12}", "bold"), printable(said)),
                soft_wrap=True,
            )


def _quality(cell: Cell, measures: Sequence[str]) -> Iterator[str]:
    return (f"{cell.quality[name]:.3f}" if name in cell.quality else "-" for name in measures)


def _figures(cell: Cell) -> list[str]:
    """A cell for each of `_FIGURES`; nothing is known of a run that failed."""
    if not cell.rows:
        return ["-"] * len(_FIGURES)
    return [
        f"{cell.failed:.1%}",
        "-" if cell.checks is None else f"{cell.checks:.0%}",
        "-" if cell.rows_per_second is None else f"{cell.rows_per_second:,.1f}",
        f"{cell.prompt_tokens:,.0f}",
        f"{cell.output_tokens:,.1f}",
        "-" if cell.seconds is None else duration(cell.seconds),
        "-" if cell.cost is None else f"{cell.cost:,.2f}",
    ]
