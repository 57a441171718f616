"""`textmill tasks`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.terminal import plain_table, printable

tasks_app = typer.Typer(
    help="What can be done with each row, and how to add to it.", no_args_is_help=True, rich_markup_mode=None
)

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
