"""The rows worth labelling next: those that the model is least sure of, and that differ from each other.

Greedy: the row with the largest product of uncertainty and distance from all that is chosen, again and again. Distance
is one minus the cosine of TF-IDF vectors of words. Only the most uncertain rows, ten times as many, are looked at.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from jobs.adapting.gold_rows import write_cells
from jobs.evaluation.bootstrap import Floats
from pipeline.errors import UsageError
from pipeline.layout import RESULTS
from pipeline.run_folder import read_manifest
from schemas.envelope import STATUS_COLUMN, Status

_POOL = 10
_COLUMN = "uncertainty"


def write_uncertain(output: Path, file: Path, num_rows: int) -> int:
    """Write the rows of a run as CSV, with an empty column `gold_label`; returns how many.

    Raises:
        UsageError: if the run has no uncertainty or no ok results, or the file cannot be written.
    """
    manifest = read_manifest(output)
    stored = ds.dataset(output / RESULTS)
    names = stored.schema.names
    texts = [name for name in manifest.text_columns if name in names]
    if _COLUMN not in names or not texts:
        raise UsageError(f"a run of {manifest.task} does not say how uncertain it is", "sentiment and classify do")
    shown = [n for n in (manifest.id_column or "id", *texts) if n in names]
    said = [n for n in ("label", _COLUMN) if n in names]
    kept = dict.fromkeys([*shown, *said, STATUS_COLUMN])
    table = _most_uncertain(stored, list(kept), texts[0], _POOL * num_rows)
    if not table.num_rows:
        raise UsageError(f"{output} has no ok results")
    values = table[texts[0]].to_pylist()
    chosen = choose_diverse(values, table[_COLUMN].to_numpy(), num_rows)
    rows: list[dict[str, Any]] = table.take(chosen).to_pylist()
    write_cells(file, [*dict.fromkeys(shown), "gold_label", *said], rows)
    return len(rows)


def _most_uncertain(stored: ds.Dataset, columns: list[str], text: str, num_rows: int) -> pa.Table:
    """The ok rows with the highest uncertainty, each text once; texts of the others are not held in memory."""
    is_ok = ds.field(STATUS_COLUMN) == Status.OK
    values = np.sort(stored.to_table(columns=[_COLUMN], filter=is_ok)[_COLUMN].to_numpy())[::-1]
    looked_at = num_rows
    while True:
        least = float(values[min(looked_at, len(values)) - 1]) if len(values) else 0.0
        table = stored.to_table(columns=columns, filter=is_ok & (ds.field(_COLUMN) >= least))
        found = _each_text_once(table, text, num_rows)
        if len(found) == num_rows or table.num_rows >= len(values):
            return found
        looked_at = 4 * table.num_rows


def _each_text_once(table: pa.Table, text: str, num_rows: int) -> pa.Table:
    order = np.argsort(-table[_COLUMN].to_numpy(), kind="stable")
    seen: set[Any] = set()
    places = []
    texts = table[text].to_pylist()
    for place in order:
        if texts[place] not in seen:
            seen.add(texts[place])
            places.append(place)
        if len(places) == num_rows:
            break
    return table.take(places)


def choose_diverse(texts: Sequence[str], uncertainty: Floats, num_rows: int) -> list[int]:
    """Places of uncertain texts that differ, the best first."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+|[^\w\s]").fit_transform(  # noqa: S106 - no password
        [t or " . " for t in texts]
    )
    nearest = np.zeros(len(texts))
    left = np.ones(len(texts), np.bool_)
    chosen: list[int] = []
    while len(chosen) < min(num_rows, len(texts)):
        worth = np.where(left, uncertainty * (1 - nearest), -np.inf)
        best = int(worth.argmax())
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, (vectors @ vectors[best].T).toarray().ravel())
    return chosen
