"""What the completion store holds, and whether it can be read: for the people who look after it.

The store's folders are listed in one go, on any of Beam's filesystems. What is in a part is told by its footer, its age
by the run ids in its rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipeline.completions import CompletionFolder
from pipeline.errors import RunError, UsageError, first_line
from pipeline.recipe import Recipe
from pipeline.store_parts import open_part
from pipeline.survey import READ_ERRORS

RECIPE_NAME = "recipe.json"
_READ_ROWS = 10_000
_STALE_AFTER = timedelta(hours=1)  # a writer takes seconds: a temporary file as old as this has none any more


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store, as listed.

    Attributes:
        path: for Beam's filesystems.
        changed: when it was last written; None where the filesystem does not tell.
    """

    path: str
    name: str
    size_bytes: int
    changed: datetime | None


@dataclass(frozen=True, slots=True)
class Scope:
    """A folder of the store: what one task, model and engine have answered.

    Attributes:
        name: the folder's.
        parts: oldest first by name.
        leftovers: temporary files, of writers that are at work or were killed.
        recipe: its `recipe.json`, if there is one.
    """

    name: str
    folder: CompletionFolder
    parts: tuple[StoredFile, ...]
    leftovers: tuple[StoredFile, ...]
    recipe: StoredFile | None


@dataclass(frozen=True, slots=True)
class Damage:
    """A part that cannot be read, and why, in one line."""

    path: str
    reason: str


def list_scopes(store: str) -> list[Scope]:
    """The folders of a store, by name; none if it is empty or absent.

    Raises:
        UsageError: if the place cannot be looked at.
    """
    by_folder: dict[str, list[StoredFile]] = {}
    for file in _list(store, "*", "*"):
        by_folder.setdefault(FileSystems.split(file.path)[0], []).append(file)
    scopes = [_scope(folder, files) for folder, files in sorted(by_folder.items())]
    return [scope for scope in scopes if scope.parts or scope.leftovers or scope.recipe]


def look_at(folder: CompletionFolder) -> Scope:
    """One folder of a store, as it is now."""
    return _scope(folder.path, _list(folder.path, "*"))


def _list(folder: str, *steps: str) -> list[StoredFile]:
    try:
        (match,) = FileSystems.match([FileSystems.join(folder, *steps)])
    except (BeamIOError, ValueError) as error:
        raise UsageError(f"cannot look at the store {folder}: {first_line(error)}") from None
    return [
        StoredFile(
            found.path,
            FileSystems.split(found.path)[1],
            found.size_in_bytes,
            datetime.fromtimestamp(found.last_updated_in_seconds, UTC) if found.last_updated_in_seconds else None,
        )
        for found in match.metadata_list
    ]


def _scope(folder: str, files: Sequence[StoredFile]) -> Scope:
    ordered = sorted(files, key=lambda file: file.name)
    return Scope(
        FileSystems.split(folder)[1],
        CompletionFolder(folder),
        tuple(f for f in ordered if f.name.startswith("part-") and f.name.endswith(".parquet")),
        tuple(f for f in ordered if f.name.startswith((".part-", f".{RECIPE_NAME}.")) and f.name.endswith(".tmp")),
        next((f for f in ordered if f.name == RECIPE_NAME), None),
    )


# ------------------------------------------------------------------------------------------------------------ show


class ScopeSummary(BaseModel):
    """What a folder of the store holds; the fields are the JSON of `textmill store show`.

    Attributes:
        recipe: the folder's name.
        problem: why task, model and engine are not known, in a few words; else None.
        completions: rows of all parts that can be read.
        oldest, newest: when the runs started that computed its completions.
        damaged_parts: parts that cannot be counted; `damage_of` finds more.
    """

    model_config = ConfigDict(frozen=True)

    recipe: str
    problem: str | None
    task: str | None
    model: str | None
    engine: str | None
    parts: int
    completions: int
    size_bytes: int
    oldest: datetime | None
    newest: datetime | None
    damaged_parts: int


def summarise(scope: Scope) -> ScopeSummary:
    """What a folder of the store holds; reads footers and run ids only, and never fails because of what is there."""
    recipe, problem = _read_recipe(scope)
    completions, damaged, times = 0, 0, set[datetime]()
    for part in scope.parts:
        try:
            with open_part(part.path) as file:
                completions += file.metadata.num_rows
                run_ids = pc.unique(file.read(columns=["run_id"]).column(0)).to_pylist()
        except FileNotFoundError:
            continue
        except READ_ERRORS:
            damaged += 1
            continue
        times |= {time for run_id in run_ids if (time := run_time(run_id))}
    return ScopeSummary(
        recipe=scope.name,
        problem=problem,
        task=recipe.task if recipe else None,
        model=recipe.model if recipe else None,
        engine=_in_words(recipe.engine) if recipe else None,
        parts=len(scope.parts),
        completions=completions,
        size_bytes=sum(part.size_bytes for part in scope.parts),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        damaged_parts=damaged,
    )


def run_time(run_id: str) -> datetime | None:
    """When a run started, by its id; None if the id does not say."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _read_recipe(scope: Scope) -> tuple[Recipe | None, str | None]:
    """The recipe, or why there is none."""
    if scope.recipe is None:
        return None, f"no {RECIPE_NAME}"
    try:
        with FileSystems.open(scope.recipe.path, mime_type="application/octet-stream") as stream:
            return TypeAdapter(Recipe).validate_json(stream.read()), None
    except (ValidationError, BeamIOError, OSError):
        return None, f"damaged {RECIPE_NAME}"


def _in_words(engine: Mapping[str, Any]) -> str:
    """An engine's identity: its name, its version, and the arguments that it was given."""
    rest = {key: value for key, value in engine.items() if key not in {"name", "version", "arguments"}}
    named = " ".join(str(engine[key]) for key in ("name", "version") if key in engine)
    arguments = engine.get("arguments")
    rest |= arguments if isinstance(arguments, Mapping) else {}
    return ", ".join([named or "unnamed", *(f"{key}={value}" for key, value in rest.items())])


# ---------------------------------------------------------------------------------------------------------- verify


def damage_of(path: str) -> str | None:
    """Read a part whole, each page held against its checksum; why that fails, in one line, or None if it does not.

    Raises:
        FileNotFoundError: if the part is not there any more.
    """
    try:
        with open_part(path) as part:
            num_rows = 0
            for batch in part.iter_batches(_READ_ROWS):
                batch.validate(full=True)
                num_rows += batch.num_rows
            if num_rows != part.metadata.num_rows:
                return f"it has {num_rows} rows, and its footer says {part.metadata.num_rows}"
            return None
    except FileNotFoundError:
        raise
    except READ_ERRORS as error:
        return first_line(error)


def damaged_among(parts: Sequence[StoredFile]) -> Iterator[Damage | None]:
    """For each part its damage, as it is found; None for one that is whole, or gone."""
    for part in parts:
        try:
            reason = damage_of(part.path)
        except FileNotFoundError:
            reason = None
        yield Damage(part.path, reason) if reason else None


def stale(scope: Scope, now: datetime) -> list[StoredFile]:
    """The temporary files whose writers must be dead."""
    return [file for file in scope.leftovers if file.changed and now - file.changed > _STALE_AFTER]


def delete(files: Sequence[str]) -> None:
    """Delete files of the store; one that is gone already is no error.

    Raises:
        RunError: if one cannot be deleted.
    """
    try:
        FileSystems.delete(list(files))
    except (BeamIOError, OSError) as error:
        for path in files:
            if FileSystems.exists(path):
                raise RunError(f"cannot delete {path}: {first_line(error)}") from None
