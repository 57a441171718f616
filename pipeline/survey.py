"""What the input holds: which Parquet files there are, with which rows and columns, found out from their footers."""

import glob
import os
import pickle
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipeline.errors import RunError, UsageError, first_line

READ_ERRORS = (
    *(pa.ArrowException, BeamIOError, OSError, MemoryError),
    *(ValueError, TypeError, LookupError, ArithmeticError, NotImplementedError),
)
"""What reading a damaged file may raise: pyarrow has errors of its own, and lets plain ones through."""


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
class SkippedFile:
    """A file of the input that is left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """What the input holds, found out from its footers.

    Attributes:
        files: every file, in reading order.
        schema: the columns of all files together, with one type each.
        skipped: files that are not read because they are damaged.
        lacking: column → paths of the files without it, in reading order; columns that all files have are not in it.
    """

    files: tuple[InputFile, ...]
    schema: pa.Schema
    skipped: tuple[SkippedFile, ...] = ()
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)


def survey(inputs: Sequence[str], skip_unless: Callable[[InputFile], None] | None = None) -> Survey:
    """Look at every file of the input.

    Args:
        inputs: files, folders (searched to any depth) and globs, on any of Beam's filesystems.
        skip_unless: leave out what is not readable Parquet, and each file for which this raises `RunError`.

    Raises:
        UsageError: if nothing is there, a file is not readable Parquet (with `skip_unless`: all are not), or two files
            disagree on a column's type.
    """
    listed = list(dict.fromkeys(found for item in inputs for found in _list(item)))
    num_named = Counter(name for _, name in listed)
    found: list[tuple[InputFile, pa.Schema]] = []
    skipped: list[SkippedFile] = []
    for path, name in listed:
        try:
            file, schema = _survey_file(path, name if num_named[name] == 1 else path)
            if skip_unless is not None:
                skip_unless(file)
            found.append((file, schema))
        except RunError as error:
            if skip_unless is None:
                raise
            skipped.append(SkippedFile(path, error.message))
    if not found:
        raise UsageError(f"none of the input's {len(skipped)} files can be read; the first: {skipped[0].reason}")
    schema = found[0][1]
    for file, other in found[1:]:
        schema = _unify(schema, other, file.path)
    lacking: defaultdict[str, list[str]] = defaultdict(list)
    for file, own in found:
        for column in set(schema.names).difference(own.names):
            lacking[column].append(file.path)
    files = tuple(file for file, _ in found)
    return Survey(files, schema, tuple(skipped), {column: tuple(paths) for column, paths in lacking.items()})


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
        raise UsageError(f"{path} does not fit the files before it: {first_line(error)}") from None


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
        raise UsageError(f"cannot read {item}: {first_line(error)}") from None
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
        size, changed = stamp(path)
        names = Counter(schema.names)
        pickle.dumps((path.encode(), schema))  # it travels; here it shows whether all names are UTF-8
    except READ_ERRORS as error:
        raise UsageError(f"{path} is not readable Parquet: {first_line(error)}") from None
    if twice := {name for name, number in names.items() if number > 1}:
        raise UsageError(f"{path} has more than one column called {sorted(twice)[0]!r}")
    rows, sizes = tuple(g.num_rows for g in groups), tuple(g.total_byte_size for g in groups)
    if sum(rows) != meta.num_rows or min(rows, default=0) < 0:
        raise UsageError(f"{path} is not readable Parquet: it says {meta.num_rows} rows, its row groups {sum(rows)}")
    return InputFile(path, name, meta.num_rows, size, changed, rows, sizes), schema.remove_metadata()


def stamp(path: str) -> tuple[int, float]:
    """A file's size in bytes and when it was last changed."""
    if "://" not in path:
        stat = os.stat(path)
        return stat.st_size, stat.st_mtime
    (found,) = FileSystems.match([path])[0].metadata_list
    return found.size_in_bytes, found.last_updated_in_seconds or 0.0


def open_parquet(path: str, verify_pages: bool = False) -> pq.ParquetFile:
    """Open a Parquet file on any of Beam's filesystems; local files are read directly.

    Args:
        verify_pages: hold each page that is read against its checksum, where it has one.
    """
    source = path if "://" not in path else FileSystems.open(path, mime_type="application/octet-stream")
    return pq.ParquetFile(source, page_checksum_verification=verify_pages)
