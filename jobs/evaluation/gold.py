"""Results with their gold beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.config import nearest
from jobs.evaluation.settings import IN_A_FILE, NO_COLUMN, ROLES, EvaluationSettings
from jobs.run_output import RunOutput
from pipeline.errors import UsageError, first_line
from schemas.envelope import ERROR_COLUMN, META_COLUMN, STATUS_COLUMN, Status
from schemas.manifest import Manifest

GOLD_PREFIX = "gold_"
"""What the gold of a field begins with where it is a column of the results."""
_LANGUAGE = "target_language"
_TRANSLATION = {"translation", _LANGUAGE}
_EXTRACTION = "extract"


@dataclass(frozen=True)
class Compared:
    """The ok results of a run that are compared, with their gold.

    Attributes:
        manifest: the run's.
        results: they, with the input's columns.
        made: the columns of theirs that the task made.
        gold: the table of gold columns, row by row theirs; without a file, the results' other columns.
        columns: role → column of `gold`, for the roles that were found or asked for; an extraction has none.
        joined_on: the columns that told which gold belongs to which result; empty without a file.
        ok: how many results are ok, those without gold included.
        notes: what was left out.
    """

    manifest: Manifest
    results: pa.Table
    made: tuple[str, ...]
    gold: pa.Table
    columns: dict[str, str]
    joined_on: tuple[str, ...]
    ok: int
    notes: tuple[str, ...]

    @property
    def from_file(self) -> bool:
        """Whether the gold is a file."""
        return bool(self.joined_on)

    @property
    def answers(self) -> pa.Table:
        """What the task made: an input's column of the same name was renamed, or is none of these."""
        return self.results.select(list(self.made))

    @property
    def extracts(self) -> bool:
        """Whether a schema named the task's columns: then no name tells what a column is about."""
        return _extracts(self.manifest)

    def column(self, role: str) -> pa.ChunkedArray | None:
        """The gold column of a role."""
        return self.gold[self.columns[role]] if role in self.columns else None


def read_compared(output: Path, settings: EvaluationSettings) -> Compared:
    """The ok results of a complete run and their gold.

    Raises:
        UsageError: if there is no complete run, or the gold cannot be read or joined.
    """
    run = RunOutput.of(output)
    results = run.table([name for name in run.schema if name not in (ERROR_COLUMN, META_COLUMN)])
    results = results.filter(pc.equal(results[STATUS_COLUMN], Status.OK))
    ok, made, extracts = results.num_rows, run.made_columns, _extracts(run.manifest)
    notes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    gold = results.drop_columns(list(made))
    if settings.gold is not None:
        gold = read_gold(settings.gold)
        keys = _join_keys(results, gold, settings.on, set(made) >= _TRANSLATION and not extracts)
        results, gold, notes = _join(results, gold, keys)
    whose = "the results have" if settings.gold is None else "the gold has"
    columns = columns_by_role(gold.column_names, settings, whose)
    return Compared(run.manifest, results, made, gold, {} if extracts else columns, keys, ok, notes)


def _extracts(manifest: Manifest) -> bool:
    return bool(manifest.recipe["task"] == _EXTRACTION)


def read_gold(file: Path) -> pa.Table:
    """A file of gold.

    Raises:
        UsageError: if it cannot be read.
    """
    try:
        return pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"cannot read the gold {file}: {first_line(error)}") from None


def refuse_join(on: str, sides: Mapping[str, Sequence[str]]) -> None:
    """Raise `UsageError` unless all have the column; the sides' columns by the beginning of a sentence about them."""
    for whose, known in sides.items():
        if on not in known:
            raise UsageError(f"{whose} no column {on!r} to join on", nearest(on, dict.fromkeys(known)))


def _join_keys(results: pa.Table, gold: pa.Table, on: str, are_translations: bool) -> tuple[str, ...]:
    refuse_join(on, {"the results have": results.column_names, "the gold has": gold.column_names})
    return (on, _LANGUAGE) if are_translations and _LANGUAGE in gold.column_names else (on,)


def _join(results: pa.Table, gold: pa.Table, keys: Sequence[str]) -> tuple[pa.Table, pa.Table, tuple[str, ...]]:
    theirs = _key(gold, keys)
    gold, theirs = gold.filter(pc.is_valid(theirs)), pc.drop_null(theirs)
    ours = _key(results, keys)
    if pc.count_distinct(theirs).as_py() < gold.num_rows:
        raise UsageError(f"the gold has the same {' and '.join(keys)} twice", "one row of gold for each result, please")
    places = pc.index_in(ours, value_set=theirs)
    found = pc.is_valid(places)
    num_found = pc.sum(found).as_py() or 0
    if not num_found:
        raise UsageError(f"no {' and '.join(keys)} of the results is in the gold")
    notes = []
    if missing := results.num_rows - num_found:
        notes.append(f"{missing:,} ok results have no gold and were not compared")
    return results.filter(found), gold.take(places.filter(found)), tuple(notes)


def _key(table: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    """The joined values of some columns, as text; null where one of them is."""
    try:
        texts = [pc.cast(table[name], pa.string()) for name in names]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UsageError(f"cannot join on {' and '.join(names)}: not text and not numbers") from None
    return pc.binary_join_element_wise(*texts, "\x1f") if len(texts) > 1 else texts[0]


def columns_by_role(known: Sequence[str], settings: EvaluationSettings, whose: str) -> dict[str, str]:
    """Role → the gold's column, for the roles that are asked for, and those that a name tells.

    Args:
        known: the gold's columns.
        whose: begins a sentence about them: "the gold has".

    Raises:
        UsageError: for a column that is not there.
    """
    found = {}
    for role, names in ROLES.items():
        given = settings.columns.get(role)
        more = () if settings.gold is None else IN_A_FILE[role]
        if given is None:
            given = next((name for name in (*names, *more) if name in known), NO_COLUMN)
        elif given != NO_COLUMN and given not in known and "{" not in given:
            raise UsageError(f"{whose} no column {given!r}", nearest(given, dict.fromkeys(known)))
        if given != NO_COLUMN:
            found[role] = given
    return found
