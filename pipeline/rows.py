"""Parquet in: which rows there are, which of them a run reads, and how they are cut into parts.

A *part* is a few consecutive row groups, or a stretch of a large one: the unit that one worker reads and that becomes
one output file. Only the columns a task reads travel through the pipeline; the others are copied from input to output
part by part (`pipeline.outputs`), so they keep their types and cost no Python objects.
"""

import glob
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipeline import lifetime
from pipeline.elements import Row, RowRef, Undecodable, in_blocks
from pipeline.errors import RunError, UsageError

_PART_ROWS = 100_000
_PART_BYTES = 64 << 20
_BATCH_ROWS = 8_192
TEXT_NAMES = ("text", "review", "review_text", "body", "comment", "content", "message", "feedback", "description")
ID_NAMES = ("id", "row_id", "uuid", "key", "review_id", "ticket_id", "message_id", "comment_id", "response_id")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A Parquet file of the input.

    Attributes:
        path: where it is, for Beam's filesystems.
        name: what made ids call it: its place below the input argument, so that it stays when the folder moves.
        changed: when it was last changed, in seconds since 1970; it must not change while a run reads it (twice).
    """

    path: str
    name: str
    rows: int
    size_bytes: int
    changed: float
    group_rows: tuple[int, ...]
    group_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """Row groups `first` to `last` (included) of a file, or a stretch of one of them.

    Attributes:
        offset: the file's row number of the first row.
        skip, take: of a stretch, how many rows of the row group come before it, and how many it has; None: all.
    """

    file: InputFile
    first: int
    last: int
    offset: int
    skip: int = 0
    take: int | None = None

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(self.file.group_rows[self.first : self.last + 1]) if self.take is None else self.take

    @property
    def size_bytes(self) -> int:
        """Uncompressed, about."""
        groups = slice(self.first, self.last + 1)
        return sum(self.file.group_bytes[groups]) * self.rows // max(1, sum(self.file.group_rows[groups]))


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive pieces that are read, and written, together.

    Attributes:
        index: its number, which names its output file.
        selected: the positions to read, ascending, or None for all.
    """

    index: int
    pieces: tuple[Piece, ...]
    selected: tuple[int, ...] | None = None

    @property
    def rows(self) -> int:
        """How many rows the run reads of it."""
        return self._all_rows if self.selected is None else len(self.selected)

    @property
    def size_bytes(self) -> int:
        """About how many bytes the rows have that the run reads, uncompressed."""
        return sum(piece.size_bytes for piece in self.pieces) * self.rows // max(1, self._all_rows)

    @property
    def _all_rows(self) -> int:
        return sum(piece.rows for piece in self.pieces)


@dataclass(frozen=True)
class Survey:
    """What the input holds, found out from its footers.

    Attributes:
        files: every file, in reading order.
        schema: the columns of all files together, with one type each.
    """

    files: tuple[InputFile, ...]
    schema: pa.Schema

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)


# ---------------------------------------------------------------------------------------------------------- survey


def survey(inputs: Sequence[str]) -> Survey:
    """Look at every file of the input.

    Args:
        inputs: files, folders (searched to any depth) and globs, on any of Beam's filesystems.

    Raises:
        UsageError: if nothing is there, a file is not readable Parquet, or two files disagree on a column's type.
    """
    listed = list(dict.fromkeys(found for item in inputs for found in _list(item)))
    names = [name for _, name in listed]
    found = [_survey_file(path, name if names.count(name) == 1 else path) for path, name in listed]
    schema = found[0][1]
    for file, other in found[1:]:
        schema = _unify(schema, other, file.path)
    return Survey(tuple(file for file, _ in found), schema)


def _unify(schema: pa.Schema, other: pa.Schema, path: str) -> pa.Schema:
    """One type for each column of two files: numbers are widened, and texts of different layouts become plain ones."""
    for name in set(schema.names) & set(other.names):
        one, two = schema.field(name), other.field(name)
        if one.type != two.type:
            schema = schema.set(schema.get_field_index(name), one.with_type(_plain_type(one.type)))
            other = other.set(other.get_field_index(name), two.with_type(_plain_type(two.type)))
    try:
        return pa.unify_schemas([schema, other], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UsageError(f"{path} does not fit the files before it: {_first_line(error)}") from None


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def _list(item: str) -> Iterator[tuple[str, str]]:
    """The files that one input argument names, as (path, name), sorted."""
    base = item.rstrip("/") or "/"
    if "://" not in base:
        base = os.path.abspath(os.path.expanduser(base))
    try:
        if "://" not in base and os.path.isfile(base):
            yield base, os.path.basename(base)
            return
        is_folder = os.path.isdir(base) if "://" not in base else not glob.has_magic(base)
        patterns = [f"{base}/**.parquet"] if is_folder else [base]
        root = base if is_folder else _fixed_part(base)
        matches = sorted(m.path for result in FileSystems.match(patterns) for m in result.metadata_list)
    except (BeamIOError, ValueError) as error:
        raise UsageError(f"cannot read {item}: {_first_line(error)}") from None
    paths = [path for path in matches if not _hidden(path[len(root) :])]
    if not paths:
        raise UsageError(f"no Parquet files at {item}", "give a file, a folder with *.parquet files in it, or a glob")
    for path in paths:
        yield path, path[len(root) :].lstrip("/")


def _fixed_part(pattern: str) -> str:
    """The folder before a glob's first wildcard; for a plain path, the folder it lies in."""
    cut = min((pattern.find(c) for c in "*?[" if c in pattern), default=len(pattern))
    return pattern[:cut].rpartition("/")[0]


def _hidden(relative: str) -> bool:
    return any(step.startswith((".", "_")) for step in relative.split("/"))


def _survey_file(path: str, name: str) -> tuple[InputFile, pa.Schema]:
    try:
        with open_parquet(path) as parquet:
            meta, schema = parquet.metadata, parquet.schema_arrow
        groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
        size, changed = _stamp(path)
    except (pa.ArrowException, OSError, BeamIOError) as error:
        raise UsageError(f"{path} is not readable Parquet: {_first_line(error)}") from None
    if twice := {n for n in schema.names if schema.names.count(n) > 1}:
        raise UsageError(f"{path} has more than one column called {sorted(twice)[0]!r}")
    rows, sizes = tuple(g.num_rows for g in groups), tuple(g.total_byte_size for g in groups)
    return InputFile(path, name, meta.num_rows, size, changed, rows, sizes), schema.remove_metadata()


def _stamp(path: str) -> tuple[int, float]:
    """A file's size in bytes and when it was last changed."""
    if "://" not in path:
        stat = os.stat(path)
        return stat.st_size, stat.st_mtime
    (found,) = FileSystems.match([path])[0].metadata_list
    return found.size_in_bytes, found.last_updated_in_seconds or 0.0


def open_parquet(path: str) -> pq.ParquetFile:
    """Open a Parquet file on any of Beam's filesystems; local files are read directly."""
    if "://" not in path:
        return pq.ParquetFile(path)
    return pq.ParquetFile(FileSystems.open(path, mime_type="application/octet-stream"))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


# ----------------------------------------------------------------------------------------------------------- parts


def plan_parts(files: Iterable[InputFile], limit: int | None, sample: int | None, seed: int) -> list[Part]:
    """Cut the input into parts of at most 100,000 rows or about 64 MB: whole row groups, or stretches of larger ones.

    Args:
        limit: read only the first rows.
        sample: read this many rows drawn at random (every row has the same chance).
        seed: of the draw; the same seed draws the same rows.
    """
    parts = [Part(i, pieces) for i, pieces in enumerate(_pack(files))]
    if sample is not None:
        total = sum(part.rows for part in parts)
        chosen = sorted(random.Random(seed).sample(range(total), min(sample, total)))
        parts = _select(parts, chosen[:limit])
    elif limit is not None:
        parts = _select(parts, range(limit))
    return parts


def _pack(files: Iterable[InputFile]) -> Iterator[tuple[Piece, ...]]:
    pieces: list[Piece] = []
    rows = size = 0
    for piece in (piece for file in files for piece in _cut(file)):
        if pieces and (rows + piece.rows > _PART_ROWS or size + piece.size_bytes > _PART_BYTES):
            yield tuple(pieces)
            pieces, rows, size = [], 0, 0
        before = pieces[-1] if pieces else piece
        if before.file is piece.file and before is not piece and before.take is piece.take is None:
            pieces[-1] = Piece(piece.file, before.first, piece.last, before.offset)
        else:
            pieces.append(piece)
        rows, size = rows + piece.rows, size + piece.size_bytes
    if pieces:
        yield tuple(pieces)


def _cut(file: InputFile) -> Iterator[Piece]:
    """A piece for each row group, or several for one that is larger than a part may be."""
    offset = 0
    for group, (num_rows, num_bytes) in enumerate(zip(file.group_rows, file.group_bytes, strict=True)):
        most = max(1, min(_PART_ROWS, num_rows * _PART_BYTES // max(1, num_bytes)))
        if num_rows <= most:
            yield Piece(file, group, group, offset)
        else:
            for skip in range(0, num_rows, most):
                yield Piece(file, group, group, offset + skip, skip, min(most, num_rows - skip))
        offset += num_rows


def _select(parts: Sequence[Part], chosen: Iterable[int]) -> list[Part]:
    """The parts that hold some of the rows `chosen` (ascending, counted over the whole input), with just those."""
    selected: list[Part] = []
    numbers = iter(chosen)
    number = next(numbers, None)
    start = 0
    for part in parts:
        positions = []
        while number is not None and number < start + part.rows:
            positions.append(number - start)
            number = next(numbers, None)
        if positions:
            selected.append(Part(len(selected), part.pieces, tuple(positions)))
        start += part.rows
    return selected


def read_batches(part: Part, columns: Sequence[str] | None) -> Iterator[tuple[int, str, int, pa.RecordBatch]]:
    """The part's rows in order, in record batches, selected or not.

    Args:
        columns: top-level columns to read (those a file lacks are left out), or None for all.

    Yields:
        position of the batch's first row in the part, the file's name, its first row's number in the file, the batch.

    Raises:
        RunError: if a file cannot be read, or is not what it was when the run began.
    """
    position = 0
    for piece in part.pieces:
        number = piece.offset
        try:
            if _stamp(piece.file.path) != (piece.file.size_bytes, piece.file.changed):
                raise RunError(f"{piece.file.path} was changed while the run was reading it", "run it again")
            with open_parquet(piece.file.path) as parquet:
                wanted = None if columns is None else [c for c in columns if c in parquet.schema_arrow.names]
                groups = list(range(piece.first, piece.last + 1))
                for batch in _stretch(parquet.iter_batches(_BATCH_ROWS, row_groups=groups, columns=wanted), piece):
                    yield position, piece.file.name, number, batch
                    position, number = position + batch.num_rows, number + batch.num_rows
        except (pa.ArrowException, OSError, BeamIOError) as error:
            raise RunError(f"cannot read {piece.file.path}: {_first_line(error)}") from None


def _stretch(batches: Iterator[pa.RecordBatch], piece: Piece) -> Iterator[pa.RecordBatch]:
    """Of the batches of a piece's row groups, the rows that are the piece's."""
    if piece.take is None:
        yield from batches
        return
    skip, left = piece.skip, piece.take
    while left and (batch := next(batches, None)) is not None:
        those = batch.slice(min(skip, batch.num_rows), left)
        skip = max(0, skip - batch.num_rows)
        left -= those.num_rows
        if those.num_rows:
            yield those


def longest_text_bytes(parts: Sequence[Part], columns: Sequence[str]) -> int:
    """The most bytes of text that any row of the parts has in these columns together; what a prompt may need."""
    longest = 0
    for part in parts:
        for _, _, _, batch in read_batches(part, columns):
            total = pa.array([0] * batch.num_rows, pa.int64())
            for column in set(columns) & set(batch.schema.names):
                if is_text(batch.schema.field(column).type):
                    lengths = pc.fill_null(pc.binary_length(_as_binary(batch.column(column))), 0)
                    total = pc.add(total, lengths.cast(pa.int64()))
            longest = max(longest, pc.max(total).as_py() or 0)
    return longest


# --------------------------------------------------------------------------------------------------------- columns


def choose_column(schema: pa.Schema, given: str | None, names: Sequence[str], what: str) -> str | None:
    """The column to use: the one given, or a guess by name; None if there is no good guess.

    Raises:
        UsageError: if the column given does not exist.
    """
    if given is not None:
        if given not in schema.names:
            raise UsageError(f"no column {given!r} for the {what}", f"the input has: {describe_columns(schema)}")
        return given
    by_lower = {name.lower(): name for name in reversed(schema.names)}
    return next((by_lower[name] for name in names if name in by_lower), None)


def choose_text_column(schema: pa.Schema, given: str | None, field_name: str) -> str:
    """The column of text: the one given, one of a usual name, or the only one that holds strings.

    Raises:
        UsageError: if there is no good guess, or it holds no text.
    """
    name = choose_column(schema, given, (field_name, *TEXT_NAMES), field_name)
    if name is None:
        texts = [f.name for f in schema if is_text(f.type) and f.name.lower() not in ID_NAMES]
        if len(texts) != 1:
            hint = f"name it with --{field_name} COLUMN; the input has: {describe_columns(schema)}"
            raise UsageError(f"cannot guess which column holds the {field_name}", hint)
        (name,) = texts
    if not is_text(schema.field(name).type):
        hint = f"the input has: {describe_columns(schema)}"
        raise UsageError(f"column {name!r} holds {schema.field(name).type}, not text", hint)
    return name


def choose_id_column(schema: pa.Schema, given: str | None) -> str | None:
    """The column of ids: the one given or one of a usual name with strings or integers; None: ids are made."""
    name = choose_column(schema, given, ID_NAMES, "id")
    if name is not None and given is None:
        kind = schema.field(name).type
        return name if is_text(kind) or pa.types.is_integer(kind) else None
    return name


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text: strings in any of Arrow's layouts, or bytes that may be UTF-8."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    binaries = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(check(kind) for check in (*checks, *binaries)) or pa.types.is_null(kind)


def describe_columns(schema: pa.Schema, most: int = 20) -> str:
    """The columns and their types on one line."""
    listed = ", ".join(f"{f.name} ({f.type})" for f in list(schema)[:most])
    return listed + (f" and {len(schema) - most} more" if len(schema) > most else "")


# ------------------------------------------------------------------------------------------------------- transforms


class ReadRows(beam.PTransform[Any, Any]):
    """Read the rows of the parts, in blocks: only the columns that the task's record needs.

    Args:
        parts: what to read.
        columns: record field → input column.
    """

    def __init__(self, parts: Sequence[Part], columns: Mapping[str, str]) -> None:
        super().__init__()
        self._parts = parts
        self._columns = columns

    def expand(self, pbegin: beam.pvalue.PBegin) -> Any:
        return (
            pbegin
            | beam.Create(self._parts)
            | beam.Reshuffle()
            | beam.FlatMap(lambda part, columns: in_blocks(read_rows(part, columns)), self._columns)
        )


def read_rows(part: Part, columns: Mapping[str, str]) -> Iterator[Row]:
    """The selected rows of one part. Texts come as bytes, for one row's wrong UTF-8 would spoil a whole column."""
    wanted = None if part.selected is None else set(part.selected)
    try:
        for start, _, _, batch in read_batches(part, list(columns.values())):
            lifetime.check_stop()
            values = {field: _plain_values(batch, column) for field, column in columns.items()}
            for i in range(batch.num_rows):
                if wanted is None or start + i in wanted:
                    yield Row(RowRef(part.index, start + i), {field: column[i] for field, column in values.items()})
    except RunError as error:
        raise lifetime.fail(error) from None


def _plain_values(batch: pa.RecordBatch, column: str) -> list[Any]:
    """A column as Python values: texts as bytes, missing columns as nulls, anything else as pyarrow has it.

    A nested value with a text that is not UTF-8 is `Undecodable`.
    """
    if column not in batch.schema.names:
        return [None] * batch.num_rows
    array = batch.column(column)
    if is_text(array.type):
        return list(_as_binary(array).to_pylist())
    try:
        return list(array.to_pylist())
    except UnicodeDecodeError:
        return [_plain_value(array[i]) for i in range(len(array))]


def _plain_value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return Undecodable(f"{error.reason} at byte {error.start}")


def _as_binary(array: pa.Array) -> pa.Array:
    """A text column of any layout as bytes: nothing is decoded, so nothing can be invalid."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pa.large_binary())
