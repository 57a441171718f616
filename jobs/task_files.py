"""What is known of tasks, for people: the list, one in full, a file to start a new one from, and its contract tests."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel

from jobs.tasks import all_tasks, find_task
from pipeline.contract import CHECKS, with_example_options
from pipeline.errors import RunError, UsageError
from pipeline.prompts import readable
from pipeline.rendering import PromptRenderer
from pipeline.requests import plain_template
from pipeline.task import AnyTask
from schemas.arrow import arrow_schema


def list_rows() -> list[list[str]]:
    """Name, summary and first columns of every task that comes with Textmill."""
    return [[name, task.summary, ", ".join(task.columns)] for name, task in sorted(all_tasks().items())]


def example_task(reference: str) -> AnyTask:
    """A task with the options of its examples.

    Raises:
        UsageError: if there is none.
    """
    task = find_task(reference)
    return next(iter(with_example_options(task)))[1]


def describe_task(task: AnyTask) -> Iterator[tuple[str, str]]:
    """Titles and texts: what it reads, its options, the prompts of its first example, the columns and checks."""
    yield f"{task.name}, version {task.version}", task.summary
    yield "reads", _fields(task.record)
    yield "options", _fields(task.options_model) or "none"
    renderer = PromptRenderer(plain_template)
    for question in task.questions(task.examples()[0].record):
        decoding = type(question.decoding).__name__
        yield f"prompt of {question.name!r}, answered by {decoding}", readable(renderer.render(question.prompt))
    yield "columns of its results", "\n".join(f"{f.name}: {f.type}" for f in arrow_schema(task.result))
    yield "checks", ", ".join(task.checks) or "none"


def _fields(model: type[BaseModel]) -> str:
    lines = []
    for name, field in model.model_fields.items():
        kind = getattr(field.annotation, "__name__", None) if isinstance(field.annotation, type) else field.annotation
        wanted = "required" if field.is_required() else "optional"
        lines.append(f"{name}: {kind}, {wanted}{'. ' + field.description if field.description else ''}")
    return "\n".join(lines)


def write_new(file: Path) -> None:
    """Write a task to start from, which runs as it is.

    Raises:
        UsageError: if something is there, or it is not to be a Python file.
        RunError: if it cannot be written.
    """
    if file.suffix != ".py":
        raise UsageError(f"{file} is not called *.py")
    template = (files("jobs") / "data" / "new_task.py.txt").read_text(encoding="utf-8")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(template)
    except FileExistsError:
        raise UsageError(f"{file} is there already", "choose another name") from None
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror}") from None


def try_contract(reference: str) -> Iterator[tuple[str, str | None]]:
    """What each contract test says, with what is wrong if it does not hold, in every form and with all example options.

    Raises:
        UsageError: if there is no such task, or it refuses its own example options.
    """
    for about, task in with_example_options(find_task(reference)):
        for says, holds in CHECKS.items():
            yield f"{says} ({about})", _problem(holds, task)


def _problem(holds: Callable[[AnyTask], None], task: AnyTask) -> str | None:
    try:
        holds(task)
    except AssertionError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever the task raises is what its author wants to know
        return f"{type(error).__name__}: {error}"
    return None
