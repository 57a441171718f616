"""The command line. A task's command is made from the configuration and its options, so none is written twice."""

import inspect
import os
import sys
import types
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.console import Console

from jobs.config import JobConfig, merge, parse_engine_args, parse_pairs, read_config_file
from jobs.tasks import all_tasks, find_task
from jobs.terminal import own_terminal, plain_table, printable
from pipeline.errors import RunError
from pipeline.models import catalogue, catalogue_entry, pull
from pipeline.task import AnyTask

_TOO_MANY_FAILED = 3

app = typer.Typer(
    name="textmill",
    help="Batch text processing: Parquet in, a real LLM through vLLM inside Apache Beam, typed columns out.",
    epilog="Exit codes: 0 ok, 1 run failed, 2 bad usage or input, 3 too many failed rows, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models_app = typer.Typer(
    help="The models that Textmill can fetch by itself.", no_args_is_help=True, rich_markup_mode=None
)
tasks_app = typer.Typer(
    help="What can be done with each row, and how to add to it.", no_args_is_help=True, rich_markup_mode=None
)
sample_app = typer.Typer(
    help="Data to try things on: rated reviews by people, and inputs of our own writing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")
app.add_typer(tasks_app, name="tasks")
app.add_typer(sample_app, name="sample")

ShowOption = Annotated[int, typer.Option("--show", min=0, help="Show the first N rows and their answers at the end.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the manifest instead of the summary.")]


def main() -> None:
    """The entry point: runs the command, and turns our errors into one line and an exit code."""
    try:
        app()
    except RunError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def report(error: RunError) -> None:
    """An error in one line on standard error, and what to do about it in another."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"error: {printable(error.message)}", style="bold red", markup=False)
    if error.hint:
        console.print(f"hint: {printable(error.hint)}", markup=False)


# ------------------------------------------------------------------------------------------------------------ jobs


def execute(config: JobConfig, show: int, as_json: bool) -> None:
    """Run a job and print how it went; ends with exit code 3 if too many rows failed."""
    from jobs.run import run_job
    from jobs.summary import print_rows, print_summary

    with own_terminal(quiet=as_json and not sys.stderr.isatty()) as terminal:
        manifest = run_job(config, terminal)
    output = Path(config.output).expanduser()
    if as_json:
        print(manifest.model_dump_json(indent=2))
    else:
        console = Console(highlight=False, markup=False)
        if show:
            print_rows(console, manifest, output, show)
        print_summary(console, manifest, output)
    if not config.allows_failed(manifest.counts.failed, manifest.counts.rows):
        raise typer.Exit(_TOO_MANY_FAILED)


@app.command(
    "run",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
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
    wants_help: Annotated[bool, typer.Option("--help", help="Show this message; with --task, the task's.")] = False,
) -> None:
    """Run the job that a config file describes, or a task of your own.

    TEXTMILL_<KEY> in the environment overrides a file's keys.
    """
    if task is not None:
        given = [*([file] if file else []), *context.args]
        given += ["--help"] * wants_help + ["--json"] * as_json + (["--show", str(show)] if show else [])
        _run_own_task(task, given)
    elif wants_help or file is None:
        print(context.get_help())
    elif context.args:
        raise typer.BadParameter(f"{context.args[0]!r} is not known here; what a job does is in its file")
    else:
        execute(merge(read_config_file(Path(file)), os.environ, {}), show, as_json)


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
        inputs_and_output: list[str] | None, config: Path | None, show: int, as_json: bool, **flags: Any
    ) -> None:
        flags["engine_args"] = parse_engine_args(flags.pop("engine_args") or []) or None
        flags["columns"] = parse_pairs("--column", flags.pop("columns") or []) or None
        flags["require"] = flags.pop("require") or None
        options = {name: flags.pop(name) for name in option_fields}
        given = {name: value for name, value in options.items() if value is not None and value != []}
        flags |= {"task": reference, "options": given or None, **_split_paths(inputs_and_output, config is not None)}
        execute(merge(read_config_file(config) if config else {}, os.environ, flags), show, as_json)

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
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = task.summary
    return command


_ARGUMENTS = {"task", "inputs", "output"}


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
    if field.default not in (None, ...) and field.default_factory is None and "[default" not in help_text:
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


for _task in all_tasks().values():
    app.command(_task.name, help=_task.summary)(_job_command(_task, _task.name))


@app.command("evaluate")
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


# ---------------------------------------------------------------------------------------------------------- models


@models_app.command("list")
def list_models() -> None:
    """Show the catalogue."""
    rows = [
        [m.name, m.licence, f"{m.weights_bytes / 1e6:.0f} MB", "yes" if m.folder.exists() else "no", m.about]
        for m in catalogue().values()
    ]
    Console(highlight=False).print(plain_table(None, ["name", "licence", "download", "here", "about"], rows))


@models_app.command("pull")
def pull_model(name: Annotated[str, typer.Argument(help="A name from the catalogue.")]) -> None:
    """Fetch and convert a model now, so that the first run need not."""
    with own_terminal() as terminal:
        model = pull(catalogue_entry(name), terminal.say)
    print(model.folder)


@models_app.command("show")
def show_model(name: Annotated[str, typer.Argument(help="A name from the catalogue.")]) -> None:
    """Show what is known of a model, and where its weights come from."""
    entry = catalogue_entry(name)
    rows = [[key, str(value)] for key, value in entry.model_dump(exclude={"fetched"}).items()]
    rows += [["folder", str(entry.folder)], ["here", "yes" if entry.folder.exists() else "no"]]
    rows += [["source", f"{part.requirement} sha256:{part.sha256}"] for part in entry.fetched]
    Console(highlight=False).print(plain_table(None, ["what", "value"], rows))


# ----------------------------------------------------------------------------------------------------------- tasks

TaskArgument = Annotated[str, typer.Argument(help="A task's name, or FILE.py:NAME.", metavar="TASK")]


@tasks_app.command("list")
def list_tasks() -> None:
    """Show the tasks that come with Textmill."""
    from jobs.task_files import list_rows

    Console(highlight=False).print(plain_table(None, ["task", "what it does", "columns"], list_rows()))


@tasks_app.command("show")
def show_task(task: TaskArgument) -> None:
    """Show all of a task: what it reads, its options, the prompts of its first example, its columns and checks."""
    from jobs.task_files import describe_task, example_task

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for title, text in describe_task(example_task(task)):
        console.print(title, style="bold")
        console.print("".join(f"  {printable(line)}\n" for line in text.splitlines()))


@tasks_app.command("new")
def new_task(
    file: Annotated[Path, typer.Argument(help="The Python file to write.", metavar="FILE.py")],
) -> None:
    """Write a task to start from: it runs as it is, and its comments say what to change."""
    from jobs.task_files import write_new

    write_new(file)
    print(f"{file} is written; try: textmill run --task {file}:TASK INPUT OUTPUT --engine scripted --show 5")


@tasks_app.command("test")
def test_task(task: TaskArgument) -> None:
    """Run the contract tests on a task: what must hold for any of them."""
    from jobs.task_files import try_contract

    console, failed = Console(highlight=False, markup=False, soft_wrap=True), 0
    for says, problem in try_contract(task):
        failed += problem is not None
        console.print(f"{'failed' if problem else 'ok':7}{says}", style="bold red" if problem else "")
        if problem:
            console.print(f"       {printable(problem)}")
    if failed:
        raise typer.Exit(1)


# ---------------------------------------------------------------------------------------------------------- sample


class Source(StrEnum):
    """Where rated reviews come from."""

    AMAZON = "amazon"
    MOVIE = "movie"


@sample_app.command("reviews")
def sample_reviews(
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.", metavar="FILE.PARQUET")],
    source: Annotated[list[Source] | None, typer.Option(help="Only these reviews.")] = None,
) -> None:
    """Write review sentences that people have rated: id, text, source, human_rating, human_rating_std, ratings."""
    from jobs.samples import write_reviews

    with own_terminal() as terminal:
        num_rows = write_reviews(file, tuple(source or Source), terminal.say)
    print(f"{num_rows:,} rated reviews in {file}")


_OWN_SAMPLES = {
    "sentences": "texts to translate: product pages, interface strings, mails, with much that must survive",
    "briefs": "content briefs in seven languages, for twelve formats",
    "conversations": "support conversations in seven languages, with policies",
    "tickets": "support tickets and orders, with a category each",
}


def _sample_command(name: str) -> Callable[[Path], None]:
    def command(
        file: Annotated[Path, typer.Argument(help="The Parquet file to write.", metavar="FILE.PARQUET")],
    ) -> None:
        from jobs.samples import write_own

        print(f"{write_own(name, file)} {name} in {file}")

    return command


for _name, _about in _OWN_SAMPLES.items():
    sample_app.command(_name, help=f"Write 60 {_about}; of our own writing.")(_sample_command(_name))


if __name__ == "__main__":
    main()
