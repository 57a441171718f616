"""The rows of a run that an id names: what was read of them, what was written, and where they came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.explaining.explained import Origin
from jobs.run_output import RunOutput
from pipeline.columns import as_binary, is_text
from pipeline.errors import RunError, UsageError, first_line
from pipeline.layout import LETTER_FIELDS
from pipeline.rows import partition_values
from pipeline.survey import READ_ERRORS, open_parquet
from pipeline.tables import batches, rows_at
from pipeline.text_values import plain_values
from schemas.envelope import ID_COLUMN
from schemas.manifest import FileInfo, Manifest


@dataclass(frozen=True)
class Found:
    """A result: its file in the output, its row there, and the columns of that row as an Arrow batch of one."""

    file: str
    row: int
    batch: pa.RecordBatch


def find_results(output: RunOutput, wanted: str) -> list[Found]:
    """The results of the rows that have an id, in the order of the run.

    Raises:
        UsageError: if there is none, or the files cannot be read.
    """
    found: list[Found] = []
    try:
        for info in output.manifest.results:
            file = output.folder / info.path
            numbers = _with_id(batches(file, [ID_COLUMN]), ID_COLUMN, wanted)
            singles = [one.slice(i, 1) for one in rows_at(file, numbers) for i in range(one.num_rows)]
            found += [Found(info.path, number, one) for number, one in zip(numbers, singles, strict=True)]
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"cannot read the results of {output.folder}: {first_line(error)}") from None
    if not found:
        first = output.rows([0], [ID_COLUMN])[0][ID_COLUMN] if output.manifest.counts.results else None
        hint = "" if first is None else f"ids there are such as {first!r}"
        raise UsageError(f"no row of {output.folder} has the id {wanted!r}", hint)
    return found


def _with_id(pieces: Iterator[tuple[int, pa.RecordBatch]], column: str, wanted: str) -> list[int]:
    numbers: list[int] = []
    for start, batch in pieces:
        ids = batch.column(column)
        same = (
            pc.equal(as_binary(ids), wanted.encode()) if is_text(ids.type) else pc.equal(ids.cast(pa.string()), wanted)
        )
        numbers += [start + i for i in pc.indices_nonzero(pc.fill_null(same, False)).to_pylist()]
    return numbers


def read_columns(manifest: Manifest, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The columns that the task read, of a batch of results, by their names in the input."""
    names = {
        column: ID_COLUMN if column == manifest.id_column else manifest.renamed_columns.get(column, column)
        for column in manifest.columns.values()
    }
    return pa.RecordBatch.from_arrays([batch.column(name) for name in names.values()], names=list(names))


def read_values(manifest: Manifest, batch: pa.RecordBatch) -> dict[str, Any]:
    """The first row of `read_columns`, by record field."""
    return {field: plain_values(batch, column)[0] for field, column in manifest.columns.items()}


def partition_of(manifest: Manifest, batch: pa.RecordBatch, column: str | None) -> str | None:
    """What the first row of a batch of results has in a column of the input, as text; None without a column."""
    if column is None:
        return None
    name = ID_COLUMN if column == manifest.id_column else manifest.renamed_columns.get(column, column)
    return partition_values(batch, name)[0]


def is_input(manifest: Manifest, output: Path) -> set[str]:
    """The names of the columns that came from the input, in the output."""
    letters = pq.read_schema(output / manifest.dead_letters[0].path).names
    return set(letters[: -len(LETTER_FIELDS)])


def origins(manifest: Manifest, wanted: str) -> list[Origin]:
    """Where rows with an id were read from."""
    if manifest.id_column is None:
        name, _, row = wanted.rpartition(":")
        those = [info for info in manifest.inputs if Path(info.path).name == name]
        return [Origin(file=info.path, row=int(row), note=_changed(info)) for info in those if row.isdigit()]
    found: list[Origin] = []
    for info in manifest.inputs:
        note = _changed(info)
        try:
            with open_parquet(info.path) as parquet:
                rows = _with_id(_pieces(parquet, manifest.id_column), manifest.id_column, wanted)
        except (RunError, *READ_ERRORS):
            found.append(
                Origin(file=info.path, row=None, note="cannot be read any more; the row may be of another file")
            )
            continue
        found += [Origin(file=info.path, row=row, note=note) for row in rows]
    return found


def _pieces(parquet: pq.ParquetFile, column: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    start = 0
    for batch in parquet.iter_batches(columns=[column]):
        yield start, batch
        start += batch.num_rows


def _changed(info: FileInfo) -> str | None:
    try:
        size = Path(info.path).stat().st_size
    except OSError:
        return "is not there any more"
    return None if size == info.size_bytes else "was changed since the run"


def plain(value: Any) -> Any:
    """A value as JSON can hold it, at any depth; what is not UTF-8 with marks in its place."""
    match value:
        case bytes():
            return value.decode(errors="replace")
        case dict():
            return {name: plain(part) for name, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
    return value
