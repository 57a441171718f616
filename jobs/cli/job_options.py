"""What the commands about jobs share: flags that say which job, and the job that they make."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.config import JobConfig
from jobs.settings import change, merge, parse_settings, read_config_file


def beside(output: Path, ending: str) -> Path:
    """The place next to an output that is called like it, with an ending; "." has no name until it is resolved."""
    folder = output.expanduser().absolute()
    return folder.with_name(f"{folder.name}{ending}")


ModelOption = Annotated[str | None, typer.Option("--model", help="As for the job.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The job as a TOML file; the flags here override it.")
]
OptionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option", help="An option of the task's, as KEY=VALUE (JSON or text); may be repeated.", metavar="KEY=VALUE"
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other setting, by its config key; may be repeated.", metavar="KEY=VALUE"),
]


def job_of(task: str, config: Path | None, defaults: Mapping[str, Any], flags: Mapping[str, Any]) -> JobConfig:
    """A job from a file, or else of a task."""
    file = read_config_file(config) if config else {"task": task}
    return merge({**defaults, **file}, os.environ, flags)


def changed(job: JobConfig, option: Sequence[str] | None, settings: Sequence[str] | None) -> JobConfig:
    """A job with the changes that `--option` and `--set` make."""
    changes = parse_settings([*(settings or ()), *(f"options.{pair}" for pair in option or ())])
    return change(job.model_dump(), changes)
