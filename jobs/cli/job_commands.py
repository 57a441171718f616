"""The commands that run jobs. A task's is made from the configuration and its options, so none is written twice."""

import inspect
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.console import Console

from jobs.config import JobConfig
from jobs.settings import merge, parse_engine_args, parse_names, parse_pairs, read_config_file
from jobs.tasks import all_tasks, find_task
from jobs.terminal import own_terminal
from pipeline.task import AnyTask
from schemas.manifest import Manifest

TOO_MANY_FAILED = 3
GATE_FAILED = 4
BUDGET_SPENT = 5

ShowOption = Annotated[int, typer.Option("--show", min=0, help="Show the first N rows and their answers at the end.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would take, as `textmill plan` does, and run nothing.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the manifest instead of the summary.")]


def execute(config: JobConfig, show: int, as_json: bool) -> None:
    """Run a job and print how it went; ends with exit code 3 if too many results failed."""
    from jobs.run import run_job
    from jobs.summary import print_rows, print_summary

    with own_terminal(quiet=as_json and not sys.stderr.isatty()) as terminal:
        manifest = run_job(config, terminal)
    output = config.output if "://" in config.output else Path(config.output).expanduser()
    if as_json:
        print(manifest.model_dump_json(indent=2))
    else:
        console = Console(highlight=False, markup=False)
        if show:
            print_rows(console, manifest, output, show)
        print_summary(console, manifest, output)
    exit_by(config, manifest)


def exit_by(config: JobConfig, manifest: Manifest) -> None:
    """End with the code that a written run deserves: results that the budget left over have not failed."""
    left = manifest.incomplete.results_left if manifest.incomplete else 0
    if not config.allows_failed(manifest.counts.failed - left, manifest.counts.results):
        raise typer.Exit(TOO_MANY_FAILED)
    if manifest.incomplete:
        raise typer.Exit(BUDGET_SPENT)


def foresee(
    config: JobConfig,
    as_json: bool,
    per_hour: float | None = None,
    per_1k_tokens: float | None = None,
    may_measure: bool = False,
) -> None:
    """Print what a job would take; nothing is run, unless `may_measure` and the engine's time is not known yet."""
    from jobs.forecasting.figures import Prices
    from jobs.forecasting.forecast import forecast, measure
    from jobs.forecasting.view import print_forecast

    prices = Prices(per_hour, per_1k_tokens)
    with own_terminal(quiet=as_json and not sys.stderr.isatty()) as terminal:
        found = forecast(config, prices, terminal.say)
        if may_measure and found.seconds is None and found.sent.value:
            measure(config, terminal)
            found = forecast(config, prices, terminal.say)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        print_forecast(Console(highlight=False, markup=False), found)


def run_config(
    context: typer.Context,
    file: Annotated[
        str | None, typer.Argument(help="The job, as TOML; jobs/configs has examples.", metavar="JOB.TOML")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Instead of a job: a task of your own, as FILE.py:NAME, followed by INPUT... OUTPUT and flags."
        ),
    ] = None,
    show: ShowOption = 0,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
    wants_help: Annotated[bool, typer.Option("--help", help="Show this message; with --task, the task's.")] = False,
) -> None:
    """Run the job that a config file describes, or a task of your own.

    TEXTMILL_<KEY> in the environment overrides a file's keys.
    """
    if task is not None:
        given = [*([file] if file else []), *context.args]
        given += ["--help"] * wants_help + ["--json"] * as_json + ["--dry-run"] * dry_run
        given += ["--show", str(show)] if show else []
        _run_own_task(task, given)
    elif wants_help or file is None:
        print(context.get_help())
    elif context.args:
        raise typer.BadParameter(f"{context.args[0]!r} is not known here; what a job does is in its file")
    else:
        config = merge(read_config_file(Path(file)), os.environ, {})
        if dry_run:
            foresee(config, as_json)
        else:
            execute(config, show, as_json)


def _run_own_task(reference: str, arguments: list[str]) -> None:
    """The command of a user's task, with its own flags."""
    task = find_task(reference)
    own = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    own.command(help=task.summary)(_job_command(task, reference))
    own(arguments, prog_name=f"textmill run --task {reference}")


def _job_command(task: type[AnyTask], reference: str) -> Callable[..., None]:
    """The command of a task: its flags are the fields of `JobConfig` and of the task's options.

    Args:
        reference: what the configuration calls the task.
    """
    config_fields = {n: f for n, f in JobConfig.model_fields.items() if n not in _ARGUMENTS | {"options"}}
    option_fields = task.options_model.model_fields

    def command(
        inputs_and_output: list[str] | None,
        config: Path | None,
        show: int,
        as_json: bool,
        dry_run: bool,
        **flags: Any,
    ) -> None:
        flags["engine_args"] = parse_engine_args(flags.pop("engine_args") or []) or None
        flags["columns"] = parse_pairs("--column", flags.pop("columns") or []) or None
        flags["adapters"] = parse_names("--adapters", flags.pop("adapters") or []) or None
        flags["budget"] = parse_pairs("--budget", flags.pop("budget") or []) or None
        for name in ("require", "endpoint", "redact_kinds", "redact_regions", "redact_columns", "empty_columns"):
            flags[name] = flags.pop(name) or None
        inputs_and_output, beam_options = _split_beam_options(inputs_and_output or [])
        flags["beam_options"] = [*(flags.pop("beam_options") or []), *beam_options] or None
        options = {name: flags.pop(name) for name in option_fields}
        given = {name: value for name, value in options.items() if value is not None and value != []}
        flags |= {"task": reference, "options": given or None, **_split_paths(inputs_and_output, config is not None)}
        merged = merge(read_config_file(config) if config else {}, os.environ, flags)
        if dry_run:
            foresee(merged, as_json)
        else:
            execute(merged, show, as_json)

    paths = Annotated[
        list[str] | None,
        typer.Argument(
            help="Parquet files, folders or globs; the last one is the output folder.", metavar="INPUT... OUTPUT"
        ),
    ]
    file = Annotated[Path | None, typer.Option("--config", help="TOML file with defaults for the flags below.")]
    parameters = [_parameter("inputs_and_output", paths, None), _parameter("config", file, None)]
    parameters += [_flag(name, field) for name, field in (option_fields | config_fields).items()]
    parameters += [_parameter("show", ShowOption, 0), _parameter("as_json", JsonOption, False)]
    parameters.append(_parameter("dry_run", DryRunOption, False))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = task.summary
    return command


_ARGUMENTS = {"task", "inputs", "output"}


def _split_beam_options(given: list[str]) -> tuple[list[str], list[str]]:
    """The paths, and what stood after `--`: nothing else that looks like a flag gets here."""
    first = next((i for i, one in enumerate(given) if one.startswith("--")), len(given))
    return given[:first], given[first:]


def _split_paths(paths: list[str] | None, has_config: bool) -> dict[str, Any]:
    """Inputs and output from the arguments; a config file may name them instead."""
    match paths or []:
        case [] if has_config:
            return {}
        case [*inputs, output] if inputs:
            return {"inputs": inputs, "output": output}
    raise typer.BadParameter("give at least one input, and the output folder", param_hint="INPUT... OUTPUT")


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _flag(name: str, field: FieldInfo) -> inspect.Parameter:
    """A flag for a field: its name, its type, and its description with the default as help. None: not given."""
    kind = _plain_type(field.annotation)
    extra: Any = field.json_schema_extra or {}
    flag = extra.get("flag", f"--{name.replace('_', '-')}")
    if kind is bool:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    help_text = field.description or ""
    has_default = not field.is_required() and field.default_factory is None and field.default is not None
    if has_default and "[default" not in help_text:
        help_text += _default_text(field.default)
    option = typer.Option(flag, help=help_text, show_default=False)
    return _parameter(name, Annotated[kind | None, option], None)


def _default_text(default: Any) -> str:
    if isinstance(default, bool):
        return f" [default: {'yes' if default else 'no'}]"
    if isinstance(default, tuple):
        return f" [default: {', '.join(map(str, default))}]" if default else ""
    return f" [default: {default}]"


def _plain_type(annotation: Any) -> Any:
    """The type of a flag: lists of strings for tuples and tables, else the bare type without None."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _plain_type(next(arg for arg in args if arg is not types.NoneType))
    if origin in (tuple, dict):
        return list[str]
    return annotation


def add_job_commands(app: typer.Typer) -> None:
    """`run`, and one command for each task."""
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command("run", context_settings=settings, add_help_option=False)(run_config)
    for task in all_tasks().values():
        app.command(task.name, help=task.summary)(_job_command(task, task.name))
