"""The commands that hold runs against each other: `compare`, `history`, `trial`."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.evaluation_commands import LabelOption, RatingOption, ScaleOption, scale_ends
from jobs.cli.job_commands import GATE_FAILED
from jobs.cli.store_commands import StoreOption
from jobs.settings import merge, read_config_file
from jobs.terminal import chatter_to, own_terminal, plain_table, print_wide, printable
from pipeline.models import home

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
        float, typer.Option(min=0, max=1, help="By how much fewer results may pass a check, or have an answer.")
    ] = 0.05,
    max_slowdown: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="By what share the engine may be slower. [default: speed is not judged]"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs of one task: answers, failures, checks, speed, and what was set differently.

    For use after a change of model or prompt. Ends with exit code 4 if a figure of RUN_B is beyond its bound and chance
    does not explain it: p < 0.01, all figures together; flipped rows by a 95 % interval, each column by itself.
    """
    from jobs.comparing.compare import compare as compare_runs
    from jobs.comparing.compare_view import print_comparison
    from jobs.comparing.comparison import Bounds

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


def history(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder that holds outputs, at any depth. [default: all runs that the store knows of]"),
    ] = None,
    store: StoreOption = None,
    task: Annotated[str | None, typer.Option(help="Only runs of this task.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only the last N runs.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show runs over time: rows, failures, speed, mean answers, and where the model or the recipe became another."""
    from jobs.history import HISTORY_COLUMNS, history_of, history_of_store, history_rows

    with chatter_to(Path(os.devnull)):
        runs = history_of(folder) if folder else history_of_store(store or str(home() / "store"))
    chosen = [run for run in runs if task in (None, run.task)][-(last or len(runs) or 1) :]
    if as_json:
        print(json.dumps([run.model_dump(mode="json") for run in chosen], indent=2))
    elif chosen:
        rows = [[printable(cell) for cell in row] for row in history_rows(chosen)]
        print_wide(plain_table(None, HISTORY_COLUMNS, rows))
    else:
        print("no runs yet")


def trial(
    inputs: Annotated[list[str], typer.Argument(help="Parquet files, folders or globs.", metavar="INPUT...")],
    task: Annotated[str | None, typer.Option(help="The task to try. [default: sentiment]")] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model to try; may be repeated. [default: the configuration's]"),
    ] = None,
    prompts: Annotated[
        list[Path] | None,
        typer.Option(
            "--prompt",
            help="A prompt to try, as a TOML file of the task's options and prompt_form; may be repeated. "
            "[default: the task's own]",
            metavar="FILE.TOML",
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="How many rows, drawn at random.")] = 300,
    seed: Annotated[int | None, typer.Option(help="Of the random draw.")] = None,
    label: LabelOption = None,
    rating: RatingOption = None,
    scale: ScaleOption = None,
    gold: Annotated[
        Path | None, typer.Option(help="Parquet file with the gold, as for evaluate. [default: columns of the input]")
    ] = None,
    on: Annotated[str, typer.Option(help="Column that says which gold belongs to which row.")] = "id",
    price_per_hour: Annotated[float | None, typer.Option(min=0, help="Of the machine, to project costs.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep each run's output in this folder, for compare or report.", metavar="DIR")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with what the runs have in common.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the text. [default: a good guess]")] = None,
    store: StoreOption = None,
    engine: Annotated[str | None, typer.Option(help="vllm, or scripted.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Try models and prompts on a sample: quality, speed, tokens, and the time for all rows, side by side.

    Each pair is a real run; its answers stay in the store, so nothing is paid for twice, nor by the run that follows.
    """
    from jobs.evaluation import EvaluationSettings
    from jobs.trying.trial import Trial, Variant, read_variant, try_out
    from jobs.trying.view import print_trial

    common = {"inputs": inputs, "output": "trial", "task": task, "sample": sample, "seed": seed, "text": text}
    base = {"task": "sentiment", **(read_config_file(config) if config else {})}
    job = merge(base, os.environ, {**common, "store": store, "engine": engine})
    named = {role: column for role, column in (("label", label), ("rating", rating)) if column is not None}
    variants = [read_variant(file, job.task) for file in prompts or ()] or [Variant()]
    with tempfile.TemporaryDirectory() as scratch, own_terminal(quiet=as_json and not sys.stderr.isatty()) as terminal:
        cells = try_out(
            Trial(
                config=job,
                models=models or [job.model],
                variants=variants,
                folder=keep or Path(scratch),
                keep=keep is not None,
                gold=EvaluationSettings(gold, on, named, scale=scale_ends(scale)),
                price_per_hour=price_per_hour,
            ),
            terminal,
        )
    if as_json:
        print(json.dumps([cell.model_dump() for cell in cells], indent=2))
    else:
        print_trial(Console(highlight=False, markup=False), cells)
    if not any(cell.rows for cell in cells):
        raise typer.Exit(1)


def add_watch_commands(app: typer.Typer) -> None:
    """`compare`, `history`, `trial`."""
    for command in (compare, history, trial):
        app.command()(command)
