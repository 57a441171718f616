"""`textmill plan`: what a job would take."""

from typing import Annotated

import typer

from jobs.cli.job_commands import foresee
from jobs.cli.job_options import ConfigOption, ModelOption, OptionOption, SetOption, changed, job_of

_NOWHERE = "output-of-a-plan"


def plan(
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Parquet files, folders or globs.", metavar="INPUT...")
    ] = None,
    task: Annotated[str, typer.Option(help="The job, by its command's name, or a task of your own.")] = "sentiment",
    model: ModelOption = None,
    config: ConfigOption = None,
    option: OptionOption = None,
    settings: SetOption = None,
    per_hour: Annotated[
        float | None, typer.Option("--price-per-hour", min=0, help="What an hour of this machine costs.")
    ] = None,
    per_1k_tokens: Annotated[
        float | None, typer.Option("--price-per-1k-tokens", min=0, help="What 1,000 tokens cost, in and out.")
    ] = None,
    may_measure: Annotated[
        bool,
        typer.Option("--measure", help="If its time is not known, run some 32 rows for real; their answers are kept."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a job would take before anything is spent: requests, tokens, time, money, memory.

    Rows are read, and rendered as the job would, but no engine starts and nothing is written, unless with `--measure`.
    Time comes from earlier runs of the same task and model on this machine, which the store keeps a record of. The same
    with a job's own flags: `textmill <job> … --dry-run`.
    """
    flags = {"inputs": inputs or None, "model": model}
    job = changed(job_of(task, config, {"output": _NOWHERE}, flags), option, settings)
    foresee(job, as_json, per_hour, per_1k_tokens, may_measure)


def add_plan_commands(app: typer.Typer) -> None:
    """`plan`."""
    app.command()(plan)
