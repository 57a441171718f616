"""New results in the places of failed ones: the files of a run whose dead letters were run again."""

import os
import shutil
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import metrics
from pipeline.errors import RunError
from pipeline.layout import DEAD_LETTERS, RESULTS
from pipeline.redrive import Chosen, Letters
from pipeline.tables import PartWriter, batches, replace_rows, take_rows
from schemas.envelope import ANSWER_COLUMN, ERROR_COLUMN, META_COLUMN, PLACE_COLUMN, STATUS_COLUMN, Status
from schemas.results import CHECKS_COLUMN


class NewResults:
    """The results of the rows that were run again, in order, a part at a time, each with what the model answered.

    Args:
        folder: with their results and dead letters.
        own: the columns that a run adds to the input's.
    """

    def __init__(self, folder: Path, own: Sequence[str]) -> None:
        self._folder, self._own = folder, list(own)
        self._files = iter(sorted((folder / RESULTS).iterdir()))
        self._start, self._table = 0, self._next()

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """The results of these numbers: ascending, and greater than all that were taken before.

        Raises:
            RunError: if there are not so many.
        """
        taken = []
        while True:
            here = bisect_left(numbers, self._start + self._table.num_rows)
            taken.append(self._table.take(pa.array([n - self._start for n in numbers[:here]], pa.int64())))
            if not (numbers := numbers[here:]):
                return pa.concat_tables(taken)
            self._start += self._table.num_rows
            self._table = self._next()

    def _next(self) -> pa.Table:
        if (file := next(self._files, None)) is None:
            raise RunError("there are fewer new results than dead letters (a bug in Textmill)")
        with pq.ParquetFile(file) as parquet:
            table = parquet.read(self._own).select(self._own)
        answers: list[str | None] = [None] * table.num_rows
        letters = self._folder / DEAD_LETTERS / file.name
        if letters.exists():
            with pq.ParquetFile(letters) as parquet:
                dead = parquet.read([ANSWER_COLUMN, PLACE_COLUMN])
            for answer, place in zip(dead[ANSWER_COLUMN].to_pylist(), dead[PLACE_COLUMN].to_pylist(), strict=True):
                answers[place["first"] + place["branch"]] = answer
        return table.append_column(ANSWER_COLUMN, pa.array(answers, pa.string()))


def merge(chosen: Chosen, new: NewResults, building: Path) -> int:
    """Write results and dead letters anew, with the new results in place of those of the chosen dead letters.

    All other rows stay as they are; a part that has none of the chosen keeps its files.

    Returns:
        how many failed results are ok now.
    """
    recovered, output = 0, chosen.output
    changed = {letters.name for letters in chosen.letters}
    for file in (*chosen.manifest.results, *chosen.manifest.dead_letters):
        if Path(file.path).name not in changed:
            _keep(output / file.path, building / file.path)
    for letters in chosen.letters:
        fresh = new.take(letters.new_results)
        errors = _add_attempts(fresh[ERROR_COLUMN], letters.attempts)
        fresh = fresh.set_column(fresh.column_names.index(ERROR_COLUMN), ERROR_COLUMN, errors)
        _merge_results(output, letters, fresh.drop_columns(ANSWER_COLUMN), building)
        ok = [status == Status.OK for status in fresh[STATUS_COLUMN].to_pylist()]
        done = {number for number, good in zip(letters.numbers, ok, strict=True) if good}
        _merge_dead_letters(output, letters, fresh.select([ERROR_COLUMN, ANSWER_COLUMN]), done, building)
        recovered += len(done)
    return recovered


def _keep(file: Path, new: Path) -> None:
    """The same file once more: a link to it where the disk has links, for parts are never changed."""
    try:
        os.link(file, new)
    except OSError:
        shutil.copyfile(file, new)


def _merge_results(output: Path, letters: Letters, fresh: pa.Table, building: Path) -> None:
    file = output / RESULTS / letters.name
    with PartWriter(str(building / RESULTS / letters.name), pq.read_schema(file)) as writer:
        for _, batch in replace_rows(file, letters.results, fresh):
            writer.write(batch.columns)


def _merge_dead_letters(output: Path, letters: Letters, fresh: pa.Table, done: set[int], building: Path) -> None:
    file = output / DEAD_LETTERS / letters.name
    with PartWriter(str(building / DEAD_LETTERS / letters.name), pq.read_schema(file)) as writer:
        for start, batch in replace_rows(file, letters.numbers, fresh):
            left = [i for i in range(batch.num_rows) if start + i not in done]
            writer.write(take_rows(batch, left).columns)


def _add_attempts(errors: pa.ChunkedArray, earlier: Sequence[int]) -> pa.Array:
    array = pa.concat_arrays(errors.chunks)
    columns = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
    columns["attempts"] = pc.add(columns["attempts"], pa.array(earlier, pa.int64()))
    return pa.StructArray.from_arrays(list(columns.values()), fields=list(array.type), mask=array.is_null())


def count_results(folder: Path, checked: bool) -> Counter[str]:
    """How all results of a folder have ended, as `count_files` says."""
    return count_files(sorted((folder / RESULTS).iterdir()), checked)


def count_files(files: Iterable[Path | str], checked: bool) -> Counter[str]:
    """How all results of some files have ended, under the names that a run counts by.

    Args:
        files: on this machine, or on any of Beam's filesystems.
        checked: the task's results carry checks; else a column of that name is the input's.
    """
    tally: Counter[str] = Counter()
    columns = [STATUS_COLUMN, ERROR_COLUMN, *([CHECKS_COLUMN] if checked else [])]
    for file in files:
        for _, batch in batches(file, columns):
            tally[metrics.OK] += pc.sum(pc.equal(batch.column(STATUS_COLUMN), Status.OK)).as_py() or 0
            for error_class, number in _values(pc.struct_field(batch.column(ERROR_COLUMN).drop_null(), "class")):
                tally[metrics.FAILED] += number
                tally[metrics.failed_as(error_class)] += number
            checks = pc.list_flatten(batch.column(CHECKS_COLUMN)) if checked else pa.array([], pa.struct([]))
            for passed in (True, False) if len(checks) else ():
                those = checks.filter(pc.equal(pc.struct_field(checks, "passed"), passed))
                for name, number in _values(pc.struct_field(those, "name")):
                    tally[metrics.check_ended(name, passed)] += number
    return tally


def _values(array: pa.Array) -> list[tuple[str, int]]:
    return [(found["values"], found["counts"]) for found in pc.value_counts(array).to_pylist()]


def count_truncated(folder: Path, chosen: Iterable[Letters]) -> int:
    """How many of the rows that are run again have a text that was cut, as the results of a folder say."""
    cut = 0
    for letters in chosen:
        with pq.ParquetFile(folder / RESULTS / letters.name) as parquet:
            flags = pc.struct_field(parquet.read([META_COLUMN])[META_COLUMN], "truncated").to_pylist()
        cut += sum(any(flags[first : first + branches]) for first, branches in letters.rows.items())
    return cut
