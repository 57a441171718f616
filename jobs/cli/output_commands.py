"""The commands about a finished run's folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.terminal import plain_table


def evaluate(
    output: Annotated[Path, typer.Argument(help="The output folder of a sentiment run.")],
    rating: Annotated[str, typer.Option(help="The column with the human ratings, negative to positive.")],
) -> None:
    """Compare the scores of a sentiment run with human ratings in its passthrough columns."""
    from jobs.evaluate import POLAR_RATING, agreement

    found = agreement(output, rating)
    low, high = found.interval
    rows = [
        ["Pearson r of score and rating", f"{found.pearson_r:.3f}", f"{low:.3f} … {high:.3f}", str(found.rows)],
        [f"polarity right where |rating| ≥ {POLAR_RATING}", f"{found.polarity:.1%}", "", str(found.polar_rows)],
    ]
    Console(highlight=False).print(plain_table(None, ["agreement with people", "", "95 % interval", "rows"], rows))


def add_output_commands(app: typer.Typer) -> None:
    """`evaluate`."""
    app.command("evaluate")(evaluate)
