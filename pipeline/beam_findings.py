"""What Beam finds out anew for every step of every pipeline, found out once in a process.

Beam looks at the signatures of all of a step's methods eight times, and puts the same argument parsers together for
each look at the options: a third of what a pipeline over one row takes. What is run stays Beam's own.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core, userstate

Found = tuple[list[str], list[Any]]
Specs = tuple[set[Any], set[Any]]


@cache
def keep_what_beam_finds() -> None:
    """From here on, in this process."""
    finders: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
        (core, "get_function_args_defaults", keeping_arguments),
        (userstate, "get_dofn_specs", keeping_specs),
        (PipelineOptions, "view_as", keeping_views),
    )
    for where, name, keeping in finders:
        setattr(where, name, keeping(getattr(where, name)))


def keeping_arguments(find: Callable[[Any], Found]) -> Callable[[Any], Found]:
    """The arguments of a method and their defaults, which are those of its function, whatever it is bound to."""
    kept: WeakKeyDictionary[FunctionType, Found] = WeakKeyDictionary()

    def found(of: Any) -> Found:
        if not isinstance(of, MethodType) or not isinstance(of.__func__, FunctionType):
            return find(of)
        if of.__func__ not in kept:
            kept[of.__func__] = find(of)
        names, defaults = kept[of.__func__]
        return list(names), list(defaults)

    return found


def keeping_specs(find: Callable[[Any], Specs]) -> Callable[[Any], Specs]:
    """The state and the timers of a step, which its class has; one around a function has those of the function."""
    kept: WeakKeyDictionary[type, Specs] = WeakKeyDictionary()

    def found(step: Any) -> Specs:
        kind = type(step)
        if issubclass(kind, core.CallableWrapperDoFn):
            return find(step)
        if kind not in kept:
            kept[kind] = find(step)
        states, timers = kept[kind]
        return set(states), set(timers)

    return found


def keeping_views(view_as: Callable[..., PipelineOptions]) -> Callable[..., PipelineOptions]:
    """A view of options: it holds no values of its own, those of all views are one dictionary."""
    kept: WeakKeyDictionary[PipelineOptions, dict[type, PipelineOptions]] = WeakKeyDictionary()

    def view(options: PipelineOptions, kind: type) -> PipelineOptions:
        views = kept.setdefault(options, {})
        if kind not in views or views[kind]._all_options is not options._all_options:
            views[kind] = view_as(options, kind)
        return views[kind]

    return view
