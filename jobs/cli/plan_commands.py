"""`textmill plan`: what a job would take."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.cli.job_commands import foresee
from jobs.config import merge, parse_pairs, parse_settings, read_config_file

_NOWHERE = "output-of-a-plan"


def plan(
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Parquet files, folders or globs.", metavar="INPUT...")
    ] = None,
    task: Annotated[str, typer.Option(help="The job, by its command's name, or a task of your own.")] = "sentiment",
    model: Annotated[str | None, typer.Option(help="As for the job.")] = None,
    config: Annotated[Path | None, typer.Option(help="The job as a TOML file; the flags here override it.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="An option of the task's, as KEY=VALUE (JSON or text); may be repeated.", metavar="KEY=VALUE"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, by its config key; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    per_hour: Annotated[
        float | None, typer.Option("--price-per-hour", min=0, help="What an hour of this machine costs.")
    ] = None,
    per_1k_tokens: Annotated[
        float | None, typer.Option("--price-per-1k-tokens", min=0, help="What 1,000 tokens cost, in and out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a job would take before anything is spent: requests, tokens, time, money, memory.

    Rows are read, and rendered as the job would, but no engine starts and nothing is written. Time comes from earlier
    runs of the same task and model on this machine, which the store keeps a record of. The same with a job's own flags:
    `textmill <job> … --dry-run`.
    """
    given: dict[str, Any] = {"inputs": inputs or None, "model": model, **parse_settings(settings or [])}
    if option:
        given["options"] = {name: _value(text) for name, text in parse_pairs("--option", option).items()}
    file = read_config_file(config) if config else {"task": task}
    foresee(merge({"output": _NOWHERE, **file}, os.environ, given), as_json, per_hour, per_1k_tokens)


def _value(text: str) -> Any:
    return next(iter(parse_settings([f"options.value={text}"]).values()))


def add_plan_commands(app: typer.Typer) -> None:
    """`plan`."""
    app.command()(plan)
