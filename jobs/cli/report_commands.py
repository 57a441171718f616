"""`textmill report`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.terminal import in_bytes, own_terminal, printable


def report(
    outputs: Annotated[list[Path], typer.Argument(help="The output folders of complete runs.", metavar="OUTPUT…")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write it; a folder for png. [default: beside the first output, OUTPUT-report.html]"
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Compare rows by this column; may be repeated. [default: what fits]"),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="html|md|png", help="One page, Markdown with pictures, or pictures.")
    ] = "html",
    title: Annotated[str | None, typer.Option(help="The title of a report on several runs.")] = None,
) -> None:
    """Write a report on one run, or several, for people: a page that needs no network and no script."""
    from jobs.report.make import make_report

    with own_terminal() as terminal:
        files = make_report(outputs, out, tuple(by or ()), form, title, terminal.say)
    more = f" and {len(files) - 1} pictures" if len(files) > 1 else ""
    size = in_bytes(sum(file.stat().st_size for file in files))
    Console(highlight=False, markup=False).print(printable(f"{files[0]}{more} ({size})"), soft_wrap=True)


def add_report_commands(app: typer.Typer) -> None:
    """`report`."""
    app.command()(report)
