"""The commands about a run's folder."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.job_commands import JsonOption, exit_by
from jobs.settings import parse_settings
from jobs.terminal import own_terminal, printable
from schemas.envelope import ErrorClass

OutputArgument = Annotated[Path, typer.Argument(help="The output folder of a run.")]


def redrive(
    output: OutputArgument,
    classes: Annotated[
        list[ErrorClass] | None,
        typer.Option(
            "--class", metavar="CLASS", help="Only rows that failed with this error; may be repeated. [default: all]"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting to change, by its config key; TABLE.KEY=VALUE for one of a table. May be repeated.",
        ),
    ] = None,
    max_failed: Annotated[
        str | None, typer.Option(help="Exit with 3 if more results fail. [default: the run's]")
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Show the first N results that were run again, at the end.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run the failed rows of a run again, from its dead letters, and put what comes of them into their places."""
    from jobs.redrive import redrive as run_again
    from jobs.summary import print_results, print_summary, shown_columns
    from pipeline.redrive import first_results

    changes = parse_settings(settings or []) | ({} if max_failed is None else {"max_failed": max_failed})
    with own_terminal(quiet=as_json and not sys.stderr.isatty()) as terminal:
        redriven = run_again(output, [str(name) for name in classes or ()], changes, terminal)
    manifest, letters = redriven.manifest, redriven.chosen.letters
    console = Console(highlight=False, markup=False)
    if as_json:
        print(manifest.model_dump_json(indent=2))
    elif letters:
        found = first_results(redriven.chosen, show, shown_columns(manifest))
        print_results(console, manifest, found)
        print_summary(console, manifest, output)
    else:
        which = f" of class {', '.join(classes)}" if classes else ""
        console.print(f"{output} has no dead letters{which}: nothing to do", soft_wrap=True)
    if letters:
        exit_by(redriven.config, manifest)


def status(
    output: OutputArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what an output folder is: complete, incomplete, running, interrupted, failed, absent, or not Textmill's.

    Exit codes, by the last run: 0 complete or running, 1 failed, 5 stopped by its budget, 130 interrupted, 2 absent or
    not Textmill's.
    """
    from jobs.status import look_at, status_lines

    found = look_at(output)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        console = Console(highlight=False, markup=False)
        for line in status_lines(found):
            console.print(printable(line), soft_wrap=True)
    raise typer.Exit(found.standing.exit_code)


def add_output_commands(app: typer.Typer) -> None:
    """`redrive`, `status`."""
    for command in (redrive, status):
        app.command()(command)
