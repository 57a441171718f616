"""The results of a run, read a few thousand rows and a few columns at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import UsageError
from pipeline.layout import DEAD_LETTERS, LETTER_FIELDS, RESULTS
from pipeline.run_folder import read_manifest
from pipeline.tables import is_string, take_rows, values_of
from schemas.envelope import ERROR_COLUMN, ID_COLUMN, META_COLUMN, REASONING_COLUMN, STATUS_COLUMN
from schemas.manifest import Manifest

_BATCH_ROWS = 16_384
_TEXT_BATCH_ROWS = 1024
_OURS = (ID_COLUMN, STATUS_COLUMN, ERROR_COLUMN, META_COLUMN, REASONING_COLUMN)

Position = tuple[int, int]
"""A row: which results file, and which row of it."""


@dataclass(frozen=True)
class Source:
    """The folder of a complete run.

    Attributes:
        files: the results files.
    """

    output: Path
    manifest: Manifest
    files: tuple[Path, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the results."""
        return pq.read_schema(self.files[0])

    @cached_property
    def input_columns(self) -> tuple[str, ...]:
        """The input's columns but for the id, by their names in the results."""
        letters = pq.read_schema(self.output / self.manifest.dead_letters[0].path).names
        return tuple(name for name in letters[: -len(LETTER_FIELDS)] if name != ID_COLUMN)

    @cached_property
    def answer_columns(self) -> tuple[str, ...]:
        """The task's columns."""
        known = {*self.input_columns, *_OURS}
        return tuple(name for name in self.schema.names if name not in known)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The columns that the task read, by their names in the results."""
        return tuple(name for name in self.manifest.text_columns if name in self.schema.names)

    def has(self, name: str) -> bool:
        """Whether the task gave such a column."""
        return name in self.answer_columns

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[int, int, pa.RecordBatch]]:
        """All rows in these columns (`a.b`: a field of one), with the file and the row at which each batch begins."""
        for index, file in enumerate(self.files):
            start = 0
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(_BATCH_ROWS, columns=_leaves(parquet, columns)):
                    yield index, start, batch
                    start += batch.num_rows

    def first(self, columns: Sequence[str], rows: int = _BATCH_ROWS) -> pa.Table:
        """The first rows."""
        with pq.ParquetFile(self.files[0]) as parquet:
            batch = next(parquet.iter_batches(rows, columns=list(columns)), None)
            schema = pa.schema([self.schema.field(name) for name in columns])
            return schema.empty_table() if batch is None else pa.Table.from_batches([batch])

    def rows(self, positions: Sequence[Position], columns: Sequence[str]) -> list[dict[str, Any]]:
        """These rows, in this order; texts come as bytes where they are not UTF-8."""
        found: dict[Position, dict[str, Any]] = {}
        for index, file in enumerate(self.files):
            wanted = sorted({row for number, row in positions if number == index})
            for row, values in zip(wanted, _rows_of(file, wanted, columns), strict=True):
                found[index, row] = values
        return [found[position] for position in positions]

    def dead_letters(self, most: int) -> Iterator[dict[str, Any]]:
        """The first failed rows with their errors, the texts among their columns."""
        names = (ID_COLUMN, *self.texts, ERROR_COLUMN, "answer")
        left = most
        for info in self.manifest.dead_letters:
            with pq.ParquetFile(self.output / info.path) as parquet:
                known = [name for name in names if name in parquet.schema_arrow.names]
                for batch in parquet.iter_batches(_TEXT_BATCH_ROWS, columns=known):
                    yield from values_of(batch.slice(0, left))
                    left -= min(left, batch.num_rows)
                    if not left:
                        return


def open_source(output: Path) -> Source:
    """The run that is complete in a folder.

    Raises:
        UsageError: if there is none, or a file of it is missing.
    """
    manifest = read_manifest(output)
    files = tuple(output / info.path for info in manifest.results)
    letters = tuple(output / info.path for info in manifest.dead_letters)
    if not files or not letters:
        raise UsageError(f"{output} lists no files of {DEAD_LETTERS if files else RESULTS}", "run the job again")
    if missing := [file for file in (*files, *letters) if not file.is_file()]:
        raise UsageError(f"{missing[0]} is missing", "the folder is not what the run wrote: run the job again")
    return Source(output, manifest, files)


def as_words(array: pa.Array) -> list[str | None]:
    """Texts, and anything else that a person could read, as `str`."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_string(array.type):
        return [None if b is None else b.decode(errors="replace") for b in array.cast(pa.binary()).to_pylist()]
    return [None if value is None else str(value) for value in pc.cast(array, pa.string()).to_pylist()]


def _leaves(parquet: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    """The paths of the columns in the file; `aspects.label` is there `aspects.list.element.label`, say."""
    paths = [parquet.schema.column(i).path for i in range(len(parquet.schema))]
    found: list[str] = []
    for name in columns:
        if name in parquet.schema_arrow.names:
            found.append(name)
            continue
        parent, _, leaf = name.rpartition(".")
        found += [path for path in paths if path.startswith(f"{parent}.") and path.endswith(f".{leaf}")]
    return found


def _rows_of(file: Path, rows: Sequence[int], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of one file by their ascending numbers; only the row groups that have some are read."""
    if not rows:
        return
    with pq.ParquetFile(file) as parquet:
        start = 0
        for group in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(group).num_rows
            here = [row - start for row in rows if start <= row < start + size]
            offset = 0
            wanted_batches = parquet.iter_batches(_TEXT_BATCH_ROWS, row_groups=[group], columns=list(columns))
            for batch in wanted_batches if here else ():
                wanted = [row - offset for row in here if offset <= row < offset + batch.num_rows]
                if wanted:
                    yield from values_of(take_rows(batch, wanted))
                offset += batch.num_rows
            start += size
