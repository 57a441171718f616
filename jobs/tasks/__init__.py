"""The tasks that come with Textmill: one file each, found by looking into this folder."""

import importlib
import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from pipeline.errors import UsageError
from pipeline.task import AnyTask, Task


@cache
def all_tasks() -> Mapping[str, type[AnyTask]]:
    """Every task in this folder, by name."""
    found: dict[str, type[AnyTask]] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Task) and value.__module__.endswith(f".{module.name}"):
                found[value.name] = value
    return found


def find_task(name: str) -> type[AnyTask]:
    """The task called `name`.

    Raises:
        UsageError: if there is none; the nearest names are in the hint.
    """
    if task := all_tasks().get(name):
        return task
    near = get_close_matches(name, all_tasks()) or list(all_tasks())
    raise UsageError(f"no task {name!r}", f"did you mean {' or '.join(near)}?")
