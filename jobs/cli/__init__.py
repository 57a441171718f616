"""The command line: one module for each group of commands, put together here."""

import gc
import sys

import typer
from rich.console import Console

from jobs.cli.adapter_commands import add_adapter_commands
from jobs.cli.evaluation_commands import add_evaluation_commands
from jobs.cli.job_commands import add_job_commands
from jobs.cli.model_commands import models_app
from jobs.cli.output_commands import add_output_commands
from jobs.cli.plan_commands import add_plan_commands
from jobs.cli.report_commands import add_report_commands
from jobs.cli.sample_commands import sample_app
from jobs.cli.serve_commands import add_serve_commands
from jobs.cli.store_commands import store_app
from jobs.cli.task_commands import tasks_app
from jobs.cli.trust_commands import add_trust_commands
from jobs.cli.watch_commands import add_watch_commands
from jobs.terminal import printable
from pipeline.errors import RunError

app = typer.Typer(
    name="textmill",
    help="Batch text processing: Parquet in, a real LLM through vLLM inside Apache Beam, typed columns out.",
    epilog="Exit codes: 0 ok, 1 failed, 2 bad usage or input, 3 too many failed, 4 gate, 5 budget, 130 stopped.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
add_job_commands(app)
add_plan_commands(app)
add_output_commands(app)
add_watch_commands(app)
add_evaluation_commands(app)
add_report_commands(app)
add_adapter_commands(app)
add_serve_commands(app)
add_trust_commands(app)
app.add_typer(models_app, name="models")
app.add_typer(tasks_app, name="tasks")
app.add_typer(sample_app, name="sample")
app.add_typer(store_app, name="store")


def main() -> None:
    """The entry point: runs the command, and turns our errors into one line and an exit code."""
    try:
        app()
    except RunError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # spares the interpreter its last look through everything


def report(error: RunError) -> None:
    """An error in one line on standard error, and what to do about it in another."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"error: {printable(error.message)}", style="bold red", markup=False)
    if error.hint:
        console.print(f"hint: {printable(error.hint)}", markup=False)
