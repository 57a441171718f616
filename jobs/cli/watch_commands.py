"""The commands that hold runs against each other: `compare`, `history`, `trial`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.job_commands import GATE_FAILED

JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def compare(
    a: Annotated[Path, typer.Argument(help="The output folder of the run before.", metavar="RUN_A")],
    b: Annotated[Path, typer.Argument(help="The output folder of the run to judge.", metavar="RUN_B")],
    canary: Annotated[
        bool, typer.Option("--canary", help="RUN_B read a sample of RUN_A's rows: look only at rows that both have.")
    ] = False,
    usual: Annotated[
        list[Path] | None,
        typer.Option(
            help="An earlier run: a shift is allowed that is usual from one to the next. May be repeated.",
            metavar="DIR",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this answer column; may be repeated. [default: all]", metavar="COLUMN"),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Show N flipped rows, the most confident first.")] = 10,
    max_psi: Annotated[float, typer.Option(min=0, help="Largest population stability index of a column.")] = 0.1,
    max_flips: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of rows with another label (low end of its interval).")
    ] = 0.2,
    max_failed: Annotated[float, typer.Option(min=0, max=1, help="By how much more of the rows may fail.")] = 0.01,
    max_check_drop: Annotated[
        float, typer.Option(min=0, max=1, help="By how much fewer results may pass a check.")
    ] = 0.05,
    max_slowdown: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="By what share the engine may be slower. [default: speed is not judged]"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs of one task: answers, failures, checks, speed, and what was set differently.

    Ends with exit code 4 if a figure of RUN_B is beyond its bound and chance does not explain it (p < 0.01, all figures
    together), for use after a change of model or prompt.
    """
    from jobs.compare import compare as compare_runs
    from jobs.compare_view import print_comparison
    from jobs.comparison import Bounds

    bounds = Bounds(
        max_psi=max_psi,
        max_flips=max_flips,
        max_failed=max_failed,
        max_check_drop=max_check_drop,
        max_slowdown=max_slowdown,
    )
    found = compare_runs(a, b, bounds, canary=canary, usual=usual or (), only=only or (), show=show)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        print_comparison(Console(highlight=False, markup=False), found)
    if found.regressed:
        raise typer.Exit(GATE_FAILED)


def add_watch_commands(app: typer.Typer) -> None:
    """`compare`."""
    app.command()(compare)
