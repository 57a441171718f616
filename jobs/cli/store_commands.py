"""`textmill store`."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.config import nearest
from jobs.terminal import Terminal, chatter_to, in_bytes, own_terminal, plain_table, print_wide, printable
from pipeline.errors import UsageError
from pipeline.models import home

if TYPE_CHECKING:
    from pipeline.store_rewrite import Rewriting
    from pipeline.store_upkeep import Damage, Scope, ScopeSummary

store_app = typer.Typer(
    help="The completion store, which holds every answer that was paid for.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="The completion store. [default: in TEXTMILL_HOME]", envvar="TEXTMILL_STORE"),
]


@contextmanager
def _opened(store: str | None) -> "Iterator[tuple[Terminal, list[Scope]]]":
    """The store's folders, and a terminal for progress; what libraries log meanwhile is the commands' to report."""
    place = store or str(home() / "store")
    with own_terminal() as terminal, chatter_to(Path(os.devnull)):
        from pipeline.store_upkeep import list_scopes

        scopes = list_scopes(place)
        if not scopes:
            terminal.console.print(f"The store {printable(place)} is empty: jobs fill it.", markup=False)
        yield terminal, scopes


@store_app.command("show")
def show_store(
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what is stored, for each recipe: a task, a model and an engine."""
    held: list[ScopeSummary] = []
    with _opened(store) as (terminal, scopes), terminal.steps("recipes", len(scopes)) as advance:
        from pipeline.store_upkeep import summarise

        for scope in scopes:
            held.append(summarise(scope))
            advance(1)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in held], indent=2))
    elif held:
        columns = ["recipe", "task", "model", "engine", "parts", "completions", "size", "oldest", "newest"]
        print_wide(plain_table(None, columns, [_summary_row(one) for one in held]))


def _summary_row(one: "ScopeSummary") -> list[str]:
    known = [one.task or "", one.model or "", one.engine or ""] if one.problem is None else [f"({one.problem})", "", ""]
    damaged = f" ({one.damaged_parts:,} damaged)" if one.damaged_parts else ""
    amount = [f"{one.parts:,}{damaged}", f"{one.completions:,}", in_bytes(one.size_bytes)]
    times = [f"{time:%Y-%m-%d}" if time else "" for time in (one.oldest, one.newest)]
    return [printable(cell) for cell in (one.recipe, *known, *amount, *times)]


@store_app.command("verify")
def verify_store(
    store: StoreOption = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete damaged parts: the next run computes again what was in them.")
    ] = False,
) -> None:
    """Read every part whole, and report those that are damaged; then the exit code is 1.

    Temporary files are reported too; `textmill store compact` removes those that nobody writes any more.
    """
    with _opened(store) as (terminal, scopes):
        from pipeline.store_upkeep import damaged_among, delete

        parts = [part for scope in scopes for part in scope.parts]
        damaged: list[Damage] = []
        with terminal.steps("parts", len(parts)) as advance:
            for damage in damaged_among(parts):
                damaged += [damage] if damage else []
                advance(1)
        if remove:
            delete([damage.path for damage in damaged])
    _say_damaged(damaged, "removed" if remove else "damaged")
    for file in (file for scope in scopes for file in scope.leftovers):
        print(f"temporary: {printable(file.path)}")
    if scopes:
        print(f"{len(parts):,} parts, {len(damaged):,} damaged" + (" and removed" if remove and damaged else ""))
    if damaged:
        raise typer.Exit(1)


def _say_damaged(damaged: "Sequence[Damage]", word: str = "damaged") -> None:
    for damage in damaged:
        print(f"{word}: {printable(damage.path)}: {printable(damage.reason)}")


@store_app.command("compact")
def compact_store(store: StoreOption = None) -> None:
    """Merge small parts into large ones, and keep one of equal completions. Jobs may run meanwhile."""
    done: dict[str, Rewriting] = {}
    with _opened(store) as (terminal, scopes):
        from pipeline.store_plan import PartLimits
        from pipeline.store_rewrite import compact

        with terminal.steps("parts", sum(len(scope.parts) for scope in scopes)) as advance:
            for scope in scopes:
                done[scope.name] = compact(scope.folder, datetime.now(UTC), PartLimits(), advance)
    _say_done(done)


@store_app.command("prune")
def prune_store(
    store: StoreOption = None,
    older_than: Annotated[
        str | None, typer.Option(help="Completions of runs that started so long ago: 12h, 90d, 8w.", metavar="AGE")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Only this one, as `textmill store show` calls it; all of it without an age.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove completions by their age, or a recipe's. Those whose age is not known are kept."""
    if older_than is None and recipe is None:
        raise typer.BadParameter("give --older-than, --recipe or both", param_hint="prune")
    before = None if older_than is None else _time_before(older_than)
    done: dict[str, Rewriting] = {}
    with _opened(store) as (terminal, scopes):
        from pipeline.store_rewrite import drop, prune

        chosen = _chosen(scopes, recipe)
        with terminal.steps("parts", sum(len(scope.parts) for scope in chosen)) as advance:
            for scope in chosen:
                folder = scope.folder
                done[scope.name] = prune(folder, before, dry_run, advance) if before else drop(folder, dry_run)
    _say_done(done, "would be" if dry_run else "now")


def _time_before(age: str) -> datetime:
    """When it was so long ago, said as 12h, 90d or 8w."""
    found = re.fullmatch(r"(\d+)([hdw])", age.strip())
    if not found:
        raise typer.BadParameter(f"{age!r} is not a number of hours, days or weeks such as 12h, 90d, 8w")
    try:
        return datetime.now(UTC) - int(found[1]) * timedelta(hours={"h": 1, "d": 24, "w": 168}[found[2]])
    except OverflowError:
        raise typer.BadParameter(f"{age} is too long ago") from None


def _chosen(scopes: "list[Scope]", recipe: str | None) -> "list[Scope]":
    chosen = [scope for scope in scopes if recipe in (None, scope.name)]
    if scopes and not chosen:
        raise UsageError(f"the store has no recipe {recipe!r}", nearest(str(recipe), {s.name: s for s in scopes}))
    return chosen


def _say_done(done: "dict[str, Rewriting]", now: str = "now") -> None:
    """Before and after, for each recipe."""
    rows: list[list[str]] = []
    for name, one in done.items():
        pairs = [
            (f"{one.before.parts:,}", f"{one.after.parts:,}"),
            (f"{one.before.completions:,}", f"{one.after.completions:,}"),
            (in_bytes(one.before.size_bytes), in_bytes(one.after.size_bytes)),
        ]
        rows.append([printable(name), *(cell for pair in pairs for cell in pair)])
        _say_damaged(one.damaged)
        if one.removed_files:
            print(f"removed {one.removed_files:,} temporary files of {printable(name)}")
    if rows:
        columns = ["recipe", *(cell for what in ("parts", "completions", "size") for cell in (what, now))]
        print_wide(plain_table(None, columns, rows))
