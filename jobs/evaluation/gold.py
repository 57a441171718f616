"""Results with their gold beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from jobs.config import nearest
from jobs.evaluation.settings import IN_A_FILE, ROLES, EvaluationSettings
from pipeline.errors import UsageError, first_line
from pipeline.layout import RESULTS
from pipeline.run_folder import read_manifest
from schemas.envelope import ERROR_COLUMN, META_COLUMN, STATUS_COLUMN, Status
from schemas.manifest import Manifest

_LANGUAGE = "target_language"


@dataclass(frozen=True)
class Compared:
    """The ok results of a run that are compared, with their gold.

    Attributes:
        manifest: the run's.
        results: they.
        gold: the table of gold columns, row by row theirs; the results themselves without a file.
        columns: role → column of `gold`, for the roles that were found or asked for.
        from_file: whether the gold is a file.
        ok: how many results are ok, those without gold included.
        notes: what was left out.
    """

    manifest: Manifest
    results: pa.Table
    gold: pa.Table
    columns: dict[str, str]
    from_file: bool
    ok: int
    notes: tuple[str, ...]

    def column(self, role: str) -> pa.ChunkedArray | None:
        """The gold column of a role."""
        return self.gold[self.columns[role]] if role in self.columns else None


def read_compared(output: Path, settings: EvaluationSettings) -> Compared:
    """The ok results of a complete run and their gold.

    Raises:
        UsageError: if there is no complete run, or the gold cannot be read or joined.
    """
    manifest = read_manifest(output)
    stored = ds.dataset(output / RESULTS)
    names = [name for name in stored.schema.names if name not in (ERROR_COLUMN, META_COLUMN)]
    results = stored.to_table(columns=names)
    results = results.filter(pc.equal(results[STATUS_COLUMN], Status.OK))
    ok = results.num_rows
    notes: tuple[str, ...] = ()
    gold = results
    if settings.gold is not None:
        gold = _read_gold(settings.gold)
        results, gold, notes = _join(results, gold, settings.on)
    columns = _columns_by_role(gold, settings)
    return Compared(manifest, results, gold, columns, settings.gold is not None, ok, notes)


def _read_gold(file: Path) -> pa.Table:
    try:
        return pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"cannot read the gold {file}: {first_line(error)}") from None


def _join(results: pa.Table, gold: pa.Table, on: str) -> tuple[pa.Table, pa.Table, tuple[str, ...]]:
    for name, table in (("the results have", results), ("the gold has", gold)):
        if on not in table.column_names:
            raise UsageError(f"{name} no column {on!r} to join on", nearest(on, dict.fromkeys(table.column_names)))
    keys = [on]
    if _LANGUAGE in results.column_names and _LANGUAGE in gold.column_names:
        keys.append(_LANGUAGE)
    ours, theirs = _key(results, keys), _key(gold, keys)
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


def _columns_by_role(gold: pa.Table, settings: EvaluationSettings) -> dict[str, str]:
    found = {}
    for role, names in ROLES.items():
        if given := settings.columns.get(role):
            if given not in gold.column_names and "{" not in given:
                where = "the results have" if settings.gold is None else "the gold has"
                raise UsageError(f"{where} no column {given!r}", nearest(given, dict.fromkeys(gold.column_names)))
            found[role] = given
            continue
        more = () if settings.gold is None else IN_A_FILE[role]
        if name := next((name for name in (*names, *more) if name in gold.column_names), None):
            found[role] = name
    return found
