"""Parquet out: result and dead-letter files of each part, and the folder that becomes visible whole.

The input's other columns are read again here, part by part, and joined with the outcomes by position: results come in
the order of the input, with its columns as they were, and a run over the same rows writes the same bytes.
"""

import ctypes
import errno
import glob
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from pipeline import lifetime
from pipeline.elements import Block, Cost, Outcome
from pipeline.errors import RunError, UsageError
from pipeline.parts import Part, read_batches
from schemas.arrow import arrow_type
from schemas.envelope import (
    ANSWER_COLUMN,
    ERROR_COLUMN,
    ID_COLUMN,
    META_COLUMN,
    REASONING_COLUMN,
    STATUS_COLUMN,
    ErrorInfo,
    Meta,
    Status,
)
from schemas.manifest import MANIFEST_NAME, FileInfo, Manifest

RESULTS, DEAD_LETTERS, LOG_NAME = "results", "dead_letters", "run.log"
_GROUP_ROWS = 65_536
_GROUP_BYTES = 128 << 20


# ---------------------------------------------------------------------------------------------------------- layout


@dataclass(frozen=True)
class OutputLayout:
    """The columns of results and dead letters.

    Args:
        columns: the input's columns.
        id_column: the one with the ids; None: they are made from file and row number.
        result: the task's columns.
        model, recipe: what `meta` says of every row.
        keep_reasoning: add a column with what the model thought.
    """

    columns: pa.Schema
    id_column: str | None
    result: pa.Schema
    model: str
    recipe: str
    keep_reasoning: bool = False
    names: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        ours = {ID_COLUMN, STATUS_COLUMN, ERROR_COLUMN, META_COLUMN, ANSWER_COLUMN}
        ours |= set(self.result.names) | ({REASONING_COLUMN} if self.keep_reasoning else set())
        ours -= {self.id_column} & {ID_COLUMN}
        taken = ours | set(self.columns.names)
        names: dict[str, str] = {}
        for name in self.columns.names:
            new = name
            while new in (ours if new == name else taken):
                new = f"input_{new}"
            taken.add(new)
            names[name] = new
        object.__setattr__(self, "names", names)

    @property
    def renamed(self) -> dict[str, str]:
        """Input columns whose name the output needs for itself, with the name they have there."""
        return {name: new for name, new in self.names.items() if name != new}

    @property
    def results(self) -> pa.Schema:
        """id, the input's columns, the task's columns, the thoughts if they are kept, status, error, meta."""
        status = pa.field(STATUS_COLUMN, pa.string(), nullable=False)
        error = pa.field(ERROR_COLUMN, arrow_type(ErrorInfo))
        meta = pa.field(META_COLUMN, arrow_type(Meta))
        thoughts = [pa.field(REASONING_COLUMN, pa.string())] if self.keep_reasoning else []
        return pa.schema([*self._input_fields(), *self.result, *thoughts, status, error, meta])

    @property
    def dead_letters(self) -> pa.Schema:
        """id, the input's columns, error, answer."""
        error = pa.field(ERROR_COLUMN, arrow_type(ErrorInfo))
        return pa.schema([*self._input_fields(), error, pa.field(ANSWER_COLUMN, pa.string())])

    def _input_fields(self) -> list[pa.Field]:
        id_type = pa.string() if self.id_column is None else self.columns.field(self.id_column).type
        others = [f.with_name(self.names[f.name]).with_nullable(True) for f in self.columns if f.name != ID_COLUMN]
        if ID_COLUMN in self.columns.names and self.id_column != ID_COLUMN:
            own = self.columns.field(ID_COLUMN)
            others.insert(self.columns.get_field_index(ID_COLUMN), own.with_name(self.names[ID_COLUMN]))
        return [pa.field(ID_COLUMN, id_type), *others]

    def input_arrays(self, batch: pa.RecordBatch, file_name: str, first_row: int) -> list[pa.Array]:
        """The arrays of the input's fields for one batch: the id, then every other column under its unified type."""

        def column(name: str) -> pa.Array:
            kind = self.columns.field(name).type
            if name not in batch.schema.names:
                return pa.nulls(batch.num_rows, kind)
            array = batch.column(name)
            return array if array.type == kind else array.cast(kind)

        if self.id_column is not None:
            ids = column(self.id_column)
        else:
            ids = pa.array([f"{file_name}:{first_row + i}" for i in range(batch.num_rows)], pa.string())
        skipped = {ID_COLUMN} if self.id_column == ID_COLUMN else set()
        return [ids, *(column(name) for name in self.columns.names if name not in skipped)]

    def result_arrays(self, outcomes: Sequence[Outcome]) -> list[pa.Array]:
        """The arrays of the task's columns, the thoughts, status, error and meta."""
        typed = [pa.array([o.values.get(f.name) for o in outcomes], f.type) for f in self.result]
        if self.keep_reasoning:
            typed.append(pa.array([o.cost.reasoning for o in outcomes], pa.string()))
        status = pa.array([Status.FAILED if o.failure else Status.OK for o in outcomes], pa.string())
        return [*typed, status, _errors(outcomes), self._meta(outcomes)]

    def dead_letter_arrays(self, outcomes: Sequence[Outcome]) -> list[pa.Array]:
        """The arrays of error and answer."""
        return [_errors(outcomes), pa.array([o.failure.answer if o.failure else None for o in outcomes], pa.string())]

    def _meta(self, outcomes: Sequence[Outcome]) -> pa.Array:
        kind = arrow_type(Meta)
        columns: dict[str, list[Any]] = {
            **{name: [getattr(o.cost, name) for o in outcomes] for name in Cost._fields},
            "model": [self.model] * len(outcomes),
            "recipe": [self.recipe] * len(outcomes),
            "truncated": [o.truncated for o in outcomes],
        }
        arrays = [pa.array(columns[field.name], field.type) for field in kind]
        return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _errors(outcomes: Sequence[Outcome]) -> pa.Array:
    errors = [
        None if (f := o.failure) is None else {"class": f.error_class, "message": f.message, "attempts": f.attempts}
        for o in outcomes
    ]
    return pa.array(errors, arrow_type(ErrorInfo))


# --------------------------------------------------------------------------------------------------------- writing


class WriteResults(beam.DoFn):
    """Write the results and the dead letters of one part; emits how many rows it wrote.

    Takes (part number, blocks of all outcomes of its selected rows, in any order).
    """

    def __init__(self, folder: str, layout: OutputLayout, parts: Sequence[Part]) -> None:
        self._folder = folder
        self._layout = layout
        self._parts = {part.index: part for part in parts}

    def process(self, grouped: tuple[int, Iterable[Block[Outcome]]]) -> Iterator[int]:
        lifetime.check_stop()
        index, blocks = grouped
        part = self._parts[index]
        try:
            write_part(self._folder, part, [outcome for block in blocks for outcome in block], self._layout)
        except RunError as error:
            raise lifetime.fail(error) from None
        except OSError as error:
            raise lifetime.fail(RunError(f"cannot write the output of part {index}: {error}")) from None
        yield part.rows


def write_part(folder: str, part: Part, outcomes: Sequence[Outcome], layout: OutputLayout) -> None:
    """Write one part's files.

    Raises:
        RunError: if not every selected row has each of its outcomes exactly once. Nothing is written then.
    """
    by_position: dict[int, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.branch):
        by_position.setdefault(outcome.position, []).append(outcome)
    whole = all([o.branch for o in found] == list(range(found[0].of)) for found in by_position.values())
    if not whole or len(by_position) != part.rows:
        came = f"{len(by_position)} rows came back{'' if whole else ', with results missing or twice'}"
        raise RunError(f"part {part.index}: {part.rows} rows were read, {came} (a bug in Textmill)")
    with (
        _Writer(os.path.join(folder, RESULTS, f"part-{part.index:05d}.parquet"), layout.results) as results,
        _Writer(os.path.join(folder, DEAD_LETTERS, f"part-{part.index:05d}.parquet"), layout.dead_letters) as dead,
    ):
        for start, name, first_row, batch in read_batches(part, None):
            rows = [i for i in range(batch.num_rows) for _ in by_position.get(start + i, ())]
            settled = [outcome for i in range(batch.num_rows) for outcome in by_position.get(start + i, ())]
            arrays = layout.input_arrays(batch, name, first_row)
            if rows != list(range(batch.num_rows)):
                arrays = [_take(array, rows) for array in arrays]
            results.write([*arrays, *layout.result_arrays(settled)])
            if failed := [i for i, outcome in enumerate(settled) if outcome.failure]:
                kept = [_take(array, failed) for array in arrays]
                dead.write([*kept, *layout.dead_letter_arrays([settled[i] for i in failed])])


def _take(array: pa.Array, indices: Sequence[int]) -> pa.Array:
    """The elements at these indices, of an array of any type: pyarrow's `take` does not know all (views, say)."""
    try:
        return array.take(pa.array(indices, pa.int64()))
    except pa.ArrowNotImplementedError:
        return pa.concat_arrays([array.slice(i, 1) for i in indices] or [array.slice(0, 0)])


class _Writer:
    """A Parquet file with sizeable row groups, which appears with its first rows."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.RecordBatch] = []

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def write(self, arrays: Sequence[pa.Array]) -> None:
        self._pending.append(pa.RecordBatch.from_arrays(list(arrays), schema=self._schema))
        rows, size = sum(b.num_rows for b in self._pending), sum(b.nbytes for b in self._pending)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._pending, self._schema).unify_dictionaries()
        self._pending = []
        if table.num_rows:
            self._writer = self._writer or pq.ParquetWriter(self._path, self._schema, compression="zstd")
            self._writer.write_table(table)


# ----------------------------------------------------------------------------------------------------- run folder


class RunFolder:
    """The output folder of a run: built beside the final place, and put there whole.

    Args:
        output: the final place, on a local disk.
        run_id: names the folder while it is being built.
    """

    def __init__(self, output: Path, run_id: str) -> None:
        self.output = output
        self.building = output.parent / f".{output.name}.{run_id}.tmp"
        self._lock = FileLock(output.parent / f".{output.name}.lock", timeout=0)

    def open(self) -> None:
        """Claim the place and make the folder to build in.

        Raises:
            UsageError: if something is there that Textmill did not write, or another run is writing there.
        """
        check_replaceable(self.output)
        try:
            for name in (RESULTS, DEAD_LETTERS):
                (self.building / name).mkdir(parents=True)
        except OSError as error:
            raise UsageError(f"cannot write to {self.output}: {error.strerror}") from None
        try:
            self._lock.acquire()
        except Timeout:
            shutil.rmtree(self.building)
            raise UsageError(f"another run is writing to {self.output}", "wait for it, or choose another one") from None
        self._remove_left_over()

    def commit(
        self, layout: OutputLayout, make_manifest: Callable[[list[FileInfo], list[FileInfo]], Manifest]
    ) -> Manifest:
        """Complete the folder with its manifest and put it in its place.

        Args:
            layout: for the empty tables that stand in where there were no rows.
            make_manifest: called with the result and dead-letter files; returns the `Manifest` to write.
        """
        results = self._files(RESULTS, layout.results)
        manifest = make_manifest(results, self._files(DEAD_LETTERS, layout.dead_letters))
        (self.building / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        check_replaceable(self.output)
        _put_in_place(self.building, self.output)
        return manifest

    def release(self, keep_log: bool) -> None:
        """Let go of the place. Of a folder that was not committed nothing stays, or only its log."""
        if keep_log:
            for name in (RESULTS, DEAD_LETTERS):
                shutil.rmtree(self.building / name, ignore_errors=True)
        else:
            shutil.rmtree(self.building, ignore_errors=True)
        self._lock.release()

    def _files(self, name: str, schema: pa.Schema) -> list[FileInfo]:
        folder = self.building / name
        if not any(folder.iterdir()):
            pq.write_table(schema.empty_table(), folder / "part-00000.parquet")
        return [
            FileInfo(path=f"{name}/{f.name}", rows=pq.read_metadata(f).num_rows, size_bytes=f.stat().st_size)
            for f in sorted(folder.iterdir())
        ]

    def _remove_left_over(self) -> None:
        """Folders of runs that died while building here; the lock says that they are not at work."""
        for left in self.output.parent.glob(f".{glob.escape(self.output.name)}.*.tmp"):
            if left != self.building:
                shutil.rmtree(left, ignore_errors=True)


def check_replaceable(output: Path) -> None:
    """Raise `UsageError` unless the output is absent, empty, or a folder of Textmill's with nothing else in it."""
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file, not a folder")
    found = {entry.name for entry in output.iterdir()}
    if found and MANIFEST_NAME not in found:
        raise UsageError(f"{output} is not empty and was not written by Textmill", "choose another output folder")
    if others := found - {RESULTS, DEAD_LETTERS, MANIFEST_NAME, LOG_NAME}:
        raise UsageError(f"{output} holds {sorted(others)[0]!r}, which a re-run would delete", "move it elsewhere")


_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def _put_in_place(building: Path, output: Path) -> None:
    """Rename onto the final place; what was there is exchanged for it in one step (Linux) and then removed."""
    if not output.exists():
        building.rename(output)
        return
    if not _exchange(building, output):
        old = building.with_suffix(".old")
        output.rename(old)
        building.rename(output)
        building = old
    shutil.rmtree(building, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically; False where the system or the file system cannot.

    Source: renameat2(2).
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise RunError(f"cannot put {one} in place of {other}: {os.strerror(code)}")
