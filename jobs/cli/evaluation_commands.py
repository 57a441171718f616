"""How good results are, and how probabilities become ones to rely on: `evaluate`, `calibrate`."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.job_commands import GATE_FAILED, JsonOption
from jobs.cli.job_options import beside
from jobs.settings import parse_pairs
from pipeline.errors import UsageError


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


OutputArgument = Annotated[Path, typer.Argument(help="The output folder of a run.")]
GoldOption = Annotated[
    Path | None, typer.Option(help="Parquet file with the gold. [default: columns of the results]", metavar="FILE")
]
OnOption = Annotated[str, typer.Option(help="Column that says which gold belongs to which result.")]
LabelOption = Annotated[
    str | None, typer.Option(help="Column of gold labels, or none. [default: gold_label, human_label, category]")
]
RatingOption = Annotated[
    str | None, typer.Option(help="Column of mean human ratings, or none. [default: human_rating]")
]
ScaleOption = Annotated[
    str | None,
    typer.Option(help="Ends of the rating scale as LOW:HIGH; its middle is neutral. [default: by the ratings]"),
]
NeutralOption = Annotated[
    float,
    typer.Option(
        help="Where only ratings are given: nearer to the scale's middle than this is neutral.", min=0, callback=_finite
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of whatever is drawn.")]


def evaluate(
    output: OutputArgument,
    gold: GoldOption = None,
    on: OnOption = "id",
    label: LabelOption = None,
    rating: RatingOption = None,
    ratings: Annotated[
        str | None, typer.Option(help="Column of lists of single ratings. [default: human_ratings]")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="Column of reference translations; {language} in it is the target. [default: reference]"),
    ] = None,
    aspects: Annotated[str | None, typer.Option(help="Column of gold aspects. [default: gold_aspects]")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Column to make slices by; A,B for each of both, A+B for both together."),
    ] = None,
    least: Annotated[
        list[str] | None, typer.Option("--min", help="NAME=VALUE: exit with 4 if the figure is lower.")
    ] = None,
    most: Annotated[
        list[str] | None, typer.Option("--max", help="NAME=VALUE: exit with 4 if the figure is higher.")
    ] = None,
    scale: ScaleOption = None,
    neutral: NeutralOption = 0.5,
    resamples: Annotated[int, typer.Option(min=0, help="Of the bootstrap, for 95 % intervals.")] = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say how good the results of a run are, by gold labels, human ratings, references, or what can be counted.

    Writes evaluation.json into the output folder.
    """
    from jobs.evaluation import EvaluationSettings, write_evaluation
    from jobs.evaluation import evaluate as evaluate_run
    from jobs.evaluation.bootstrap import Resampling
    from jobs.evaluation.gates import worse_than
    from jobs.evaluation.printed import print_evaluation

    bounds = _bounds("--min", least or []), _bounds("--max", most or [])
    given = {"label": label, "rating": rating, "ratings": ratings, "reference": reference, "aspects": aspects}
    settings = EvaluationSettings(
        gold=gold,
        on=on,
        columns={role: column for role, column in given.items() if column is not None},
        by=tuple(tuple(group.split("+")) for groups in by or () for group in groups.split(",")),
        scale=scale_ends(scale),
        neutral_within=neutral,
        resampling=Resampling(resamples, seed),
    )
    found = evaluate_run(output, settings, datetime.now(UTC))
    broken = worse_than(found.headline, *bounds)
    file = write_evaluation(output, found)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        print_evaluation(Console(highlight=False, markup=False), found, file)
    if broken:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for line in broken:
            console.print(f"out of bounds: {line}", style="bold red")
        raise typer.Exit(GATE_FAILED)


def calibrate(
    output: OutputArgument,
    to: Annotated[
        Path | None,
        typer.Option(help="The calibration file to write. [default: OUTPUT.calibration.json]", metavar="FILE.JSON"),
    ] = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch",
            help="Without gold: even out what the run says on average. Only where labels are about equally frequent.",
        ),
    ] = False,
    gold: GoldOption = None,
    on: OnOption = "id",
    label: LabelOption = None,
    rating: RatingOption = None,
    scale: ScaleOption = None,
    neutral: NeutralOption = 0.5,
    seed: SeedOption = 0,
) -> None:
    """Fit a calibration of a run's probabilities on gold; later runs use it with --calibration FILE."""
    from jobs.evaluation import EvaluationSettings
    from jobs.evaluation.bootstrap import Resampling
    from jobs.evaluation.calibrate import calibrate as fit
    from jobs.evaluation.calibrate import calibrate_batch, write_calibration
    from jobs.evaluation.printed import print_calibration

    columns = {role: column for role, column in (("label", label), ("rating", rating)) if column is not None}
    if batch and (gold is not None or columns):
        raise UsageError("--batch goes without gold")
    settings = EvaluationSettings(gold, on, columns, (), scale_ends(scale), neutral, Resampling(0, seed))
    now = datetime.now(UTC)
    found = calibrate_batch(output, now) if batch else fit(output, settings, now)
    file = to or beside(output, ".calibration.json")
    write_calibration(file, found)
    print_calibration(Console(highlight=False, markup=False), found, file)


def _bounds(flag: str, pairs: Sequence[str]) -> list[tuple[str, float]]:
    found = []
    for name, value in parse_pairs(flag, pairs).items():
        try:
            bound = float(value)
        except ValueError:
            bound = math.nan
        if not math.isfinite(bound):
            raise UsageError(f"{flag} {name}={value}: {value!r} is not a number")
        found.append((name, bound))
    return found


def scale_ends(text: str | None) -> tuple[float, float] | None:
    """The ends that `--scale LOW:HIGH` names.

    Raises:
        UsageError: if it is something else.
    """
    if text is None:
        return None
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--scale {text!r} is not LOW:HIGH")
    return low, high


def add_evaluation_commands(app: typer.Typer) -> None:
    """`evaluate`, `calibrate`."""
    for command in (evaluate, calibrate):
        app.command()(command)
