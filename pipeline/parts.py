"""How the input is cut into parts, and how a part is read.

A *part* is a few consecutive row groups, or a stretch of a large one: the unit that one worker reads and that becomes
one output file.
"""

import pickle
import random
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from pipeline.errors import RunError, first_line
from pipeline.survey import READ_ERRORS, InputFile, open_parquet, stamp

_PART_ROWS = 100_000
_PART_BYTES = 64 << 20
_BATCH_ROWS = 8_192


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


def pack(parts: Sequence[Part]) -> bytes:
    """The parts for the way to a worker: their files have long names, which are much alike."""
    return zlib.compress(pickle.dumps(tuple(parts)))


@lru_cache(maxsize=2)
def unpack(packed: bytes) -> tuple[Part, ...]:
    """The parts that were packed by this run's driver."""
    parts: tuple[Part, ...] = pickle.loads(zlib.decompress(packed))  # noqa: S301 - as all that Beam sends to a worker
    return parts


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
            _check_unchanged(piece.file)
            with open_parquet(piece.file.path, verify_pages=True) as parquet:
                wanted = None if columns is None else [c for c in columns if c in parquet.schema_arrow.names]
                groups = list(range(piece.first, piece.last + 1))
                for batch in _stretch(parquet.iter_batches(_BATCH_ROWS, row_groups=groups, columns=wanted), piece):
                    yield position, piece.file.name, number, batch
                    position, number = position + batch.num_rows, number + batch.num_rows
            _check_unchanged(piece.file)
        except READ_ERRORS as error:
            raise RunError(f"cannot read {piece.file.path}: {first_line(error)}") from None
        if (came := number - piece.offset) != piece.rows:
            raise RunError(f"cannot read {piece.file.path}: it says {piece.rows} rows and has {came}")


def _check_unchanged(file: InputFile) -> None:
    """Raise `RunError` unless the file is what it was when the run began."""
    if stamp(file.path) != (file.size_bytes, file.changed):
        raise RunError(f"{file.path} was changed while the run was reading it", "run it again")


def read_through(file: InputFile) -> None:
    """Read every page of a file.

    Raises:
        RunError: if one is damaged.
    """
    for part in plan_parts([file], None, None, 0):
        deque(read_batches(part, None), maxlen=0)


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
