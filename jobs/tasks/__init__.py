"""The tasks that come with Textmill: one file each, found by looking into this folder; and tasks from users' files."""

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType

from pipeline.errors import UsageError
from pipeline.task import AnyTask, Task

DEFAULT_NAME = "TASK"


@cache
def all_tasks() -> Mapping[str, type[AnyTask]]:
    """Every task in this folder, by name."""
    found: dict[str, type[AnyTask]] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Task) and value.__module__.endswith(f".{module.name}"):
                found[value.name] = value
    return found


def find_task(reference: str) -> type[AnyTask]:
    """A task by its name, or from a file: `my_task.py:TASK`, the name of the class or of a variable that holds it.

    Raises:
        UsageError: if there is none (the nearest names are in the hint), or its file is not what it should be.
    """
    file, _, name = reference.partition(":")
    if file.endswith(".py"):
        return _load_task(Path(file).expanduser(), name or DEFAULT_NAME)
    if task := all_tasks().get(reference):
        return task
    near = get_close_matches(reference, all_tasks()) or list(all_tasks())
    raise UsageError(f"no task {reference!r}", f"did you mean {' or '.join(near)}?")


def _load_task(file: Path, name: str) -> type[AnyTask]:
    if not file.is_file():
        raise UsageError(f"no task file {file}", "`textmill tasks new FILE` writes one to start from")
    module = load_module(file)
    task = getattr(module, name, None)
    if not (isinstance(task, type) and issubclass(task, Task)):
        known = [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, Task) and v is not Task]
        own = [n for n in known if getattr(module, n).__module__ == module.__name__]
        raise UsageError(f"{file} has no task called {name}", f"it has: {', '.join(own) or 'none'}")
    if missing := sorted(getattr(task, "__abstractmethods__", ())):
        raise UsageError(f"the task {name} in {file} does not implement {', '.join(missing)}")
    for attribute in ("name", "version", "summary", "record", "result", "columns"):
        if not hasattr(task, attribute):
            raise UsageError(f"the task {name} in {file} does not set {attribute}")
    if not task.name.isidentifier():
        raise UsageError(f"the task {name} in {file} is called {task.name!r}", "use letters, digits and _")
    return task


def load_module(file: Path) -> ModuleType:
    """The module of a file, once for each state of the file; it stays importable by name, for pickles' sake."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    name = f"textmill_task_{hashlib.sha256(str(file.absolute()).encode() + content).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module
