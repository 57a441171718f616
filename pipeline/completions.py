"""The completion store: every answer ever paid for, by fingerprint, as Parquet that only grows.

`<store>/<scope>/part-*.parquet` (a scope is a task, a model and an engine), beside a `recipe.json` for people. A part
appears whole and is never changed afterwards. Two runs may append at once, and the same fingerprint may occur twice:
equal requests have interchangeable answers. A part that cannot be read is skipped and counted; its requests are asked
again. A part can vanish once another one has all that it had (`pipeline.store_rewrite`).
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipeline import lifetime, metrics
from pipeline.elements import Block, Completion, Pending
from pipeline.errors import RunError, UsageError, first_line
from pipeline.recipe import Recipe
from pipeline.store_parts import ANSWER_COLUMNS, COMPLETION_SCHEMA, new_name
from pipeline.whole_files import write_whole

_GROUP_ROWS = 50_000
"""Rows of a row group: what is read at once."""


@dataclass(frozen=True, slots=True)
class CompletionFolder:
    """The store's folder for one task, model and engine, on any of Beam's filesystems."""

    path: str

    @classmethod
    def of(cls, store: str, scope: str) -> "CompletionFolder":
        """The folder that belongs to a scope (`Recipe.scope`).

        Raises:
            UsageError: if the store is on a filesystem that Beam does not know here.
        """
        try:
            return cls(FileSystems.join(store, scope))
        except ValueError as error:
            raise UsageError(f"cannot use the store {store}: {first_line(error)}") from None

    def prepare(self, recipe: Recipe) -> None:
        """Make the folder and write `recipe.json`, the recipe of its first run, unless it is there.

        Raises:
            RunError: if the store cannot be written: better now than after the first answers.
        """
        file = FileSystems.join(self.path, "recipe.json")
        try:
            if not FileSystems.exists(file):
                self._make()
                write_whole(file, json.dumps(recipe.as_dict(), indent=2, ensure_ascii=False).encode())
        except (BeamIOError, OSError) as error:
            hint = "give another folder with --store, or set TEXTMILL_HOME"
            raise RunError(f"cannot write the completion store {self.path}: {error}", hint) from None

    def _make(self) -> None:
        try:
            if not FileSystems.exists(self.path):
                FileSystems.mkdirs(self.path)
        except (BeamIOError, OSError):
            if not FileSystems.exists(self.path):  # else another run has just made it
                raise

    def parts(self) -> list[str]:
        """The paths of its parts, oldest first by name."""
        try:
            (match,) = FileSystems.match([FileSystems.join(self.path, "part-*.parquet")])
        except BeamIOError:
            return []
        return sorted(found.path for found in match.metadata_list)

    def write_part(self, fingerprints: Sequence[bytes], completions: Sequence[Completion]) -> None:
        """Append completions as one part, whole or not at all."""
        columns = [
            pa.array([getattr(c, name) for c in completions], COMPLETION_SCHEMA.field(name).type)
            for name in ANSWER_COLUMNS
        ]
        keys = pa.array(fingerprints, pa.binary(16))
        table = pa.Table.from_arrays([keys, *columns], schema=COMPLETION_SCHEMA)
        self.write_table(table, new_name())

    def write_table(self, table: pa.Table, name: str) -> str:
        """Write completions as the part of this name, whole or not at all; returns its path."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True, row_group_size=_GROUP_ROWS)
        path = FileSystems.join(self.path, name)
        write_whole(path, sink.getvalue().to_pybytes())
        return str(path)


class CompletionWriter:
    """Gathers completions and appends them to the store every few seconds.

    Args:
        folder: where to.
        flush_seconds, flush_rows: how long, or how many, to gather; what a `kill -9` can cost.
        clock: seconds that only grow.
    """

    def __init__(
        self, folder: CompletionFolder, flush_seconds: float, flush_rows: int, clock: Callable[[], float]
    ) -> None:
        self._folder, self._seconds, self._rows, self._clock = folder, flush_seconds, flush_rows, clock
        self._gathered: dict[bytes, Completion] = {}
        self._flushed_at = clock()

    def add(self, completions: Iterable[tuple[bytes, Completion]]) -> None:
        """Take completions by their fingerprints; append what was gathered if it is time."""
        self._gathered.update(completions)
        if len(self._gathered) >= self._rows or self._clock() - self._flushed_at >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Append what was gathered."""
        if self._gathered:
            self._folder.write_part(list(self._gathered), list(self._gathered.values()))
            metrics.count(metrics.STORED, len(self._gathered))
            self._gathered = {}
        self._flushed_at = self._clock()

    def close(self) -> None:
        """The same as `flush`: what was paid for is kept, however the run ends."""
        self.flush()


def _fresh(block: Block[Pending]) -> Iterator[tuple[bytes, Completion]]:
    """What this run's engine has answered."""
    for fingerprint, _, request, answer in block:
        if request is not None and isinstance(answer, Completion):
            yield fingerprint, answer


class AppendCompletions(beam.DoFn):
    """Keep fresh completions in the store, and pass every answer on. Failures are not kept: they are asked again."""

    def __init__(
        self,
        folder: CompletionFolder,
        flush_seconds: float = 5.0,
        flush_rows: int = 5_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer_args = (folder, flush_seconds, flush_rows, clock)
        self._writer: CompletionWriter | None = None

    def setup(self) -> None:
        self._writer = CompletionWriter(*self._writer_args)
        lifetime.opened(self._writer)

    def process(self, block: Block[Pending]) -> Iterator[Block[Pending]]:
        self._flushing(lambda writer: writer.add(_fresh(block)))
        yield block

    def finish_bundle(self) -> None:
        self._flushing(CompletionWriter.flush)

    def teardown(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            lifetime.closed(writer)

    def _flushing(self, act: Callable[[CompletionWriter], None]) -> None:
        try:
            if self._writer is not None:
                act(self._writer)
        except (OSError, BeamIOError) as error:
            raise lifetime.fail(RunError(f"cannot write the completion store: {error}")) from None
