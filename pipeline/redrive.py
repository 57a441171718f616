"""Dead letters that are to be run again: chosen, and written as an input of their own.

All is in one order, that of the results. A dead letter knows where its failed result stands (`Place`), and the rows
that are run again come out in the order they went in; so where a new result belongs is counted, and nothing is joined.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.layout import DEAD_LETTERS, LETTER_FIELDS, RESULTS
from pipeline.run_folder import read_manifest
from pipeline.tables import PartWriter, rows_at, values_of
from schemas.envelope import ERROR_COLUMN, ID_COLUMN, PLACE_COLUMN, Place
from schemas.manifest import Manifest


@dataclass(frozen=True)
class Letters:
    """The chosen dead letters of one part, in the order of its results.

    Attributes:
        name: of the part's files.
        numbers: where they stand among the part's dead letters, from 0.
        places: where their results stand.
        attempts: how often the engine was asked for each.
        results_before: how many results the rows of earlier parts have that are run again.
    """

    name: str
    numbers: tuple[int, ...]
    places: tuple[Place, ...]
    attempts: tuple[int, ...]
    results_before: int

    @property
    def results(self) -> list[int]:
        """Where their results stand in the part's results file."""
        return [place.first + place.branch for place in self.places]

    @property
    def rows(self) -> dict[int, int]:
        """The input rows they come from: where the results of each begin in the results file, and how many it has."""
        return {place.first: place.branches for place in self.places}

    @property
    def new_results(self) -> list[int]:
        """Where the new result of each stands among all results of the rows that are run again."""
        starts, start = {}, self.results_before
        for first, branches in self.rows.items():
            starts[first], start = start, start + branches
        return [starts[place.first] + place.branch for place in self.places]


@dataclass(frozen=True)
class Chosen:
    """A complete run, and those of its dead letters that are run again, part by part."""

    output: Path
    manifest: Manifest
    letters: tuple[Letters, ...]

    @property
    def num_letters(self) -> int:
        """How many failed results there are."""
        return sum(len(letters.numbers) for letters in self.letters)

    @property
    def num_results(self) -> int:
        """How many results their rows have, those included that need not be run again."""
        return sum(sum(letters.rows.values()) for letters in self.letters)


def choose_letters(output: Path, classes: Collection[str]) -> Chosen:
    """The dead letters of some classes of error; of all classes if none is named.

    Raises:
        UsageError: if the output is not that of a complete run.
    """
    manifest = read_manifest(output)
    chosen: list[Letters] = []
    results_before = 0
    for file in manifest.dead_letters:
        with pq.ParquetFile(output / file.path) as parquet:
            table = parquet.read([ERROR_COLUMN, PLACE_COLUMN])
        errors, places = (table[name].to_pylist() for name in (ERROR_COLUMN, PLACE_COLUMN))
        numbers = tuple(i for i, error in enumerate(errors) if not classes or error["class"] in classes)
        if numbers:
            where = tuple(Place(**places[i]) for i in numbers)
            attempts = tuple(errors[i]["attempts"] for i in numbers)
            chosen.append(Letters(Path(file.path).name, numbers, where, attempts, results_before))
            results_before += sum(chosen[-1].rows.values())
    return Chosen(output, manifest, tuple(chosen))


def write_input(chosen: Chosen, file: Path) -> None:
    """Write the rows of the dead letters, each once, as the input had them: its columns under its names.

    Where dead letters have placeholders and the results do not (`restore`), the rows are those of the results.
    """
    manifest = chosen.manifest
    restored = manifest.config.get("restore", False)
    folder = chosen.output / (RESULTS if restored else DEAD_LETTERS)
    original = {new: name for name, new in manifest.renamed_columns.items()}
    fields = list(pq.read_schema(chosen.output / DEAD_LETTERS / chosen.letters[0].name))[: -len(LETTER_FIELDS)]
    if manifest.id_column != ID_COLUMN:
        fields = [field for field in fields if field.name != ID_COLUMN]
    schema = pa.schema([field.with_name(original.get(field.name, field.name)) for field in fields])
    with PartWriter(str(file), schema) as writer:
        for letters in chosen.letters:
            numbers = letters.results if restored else letters.numbers
            one_of_row = dict(zip((place.first for place in letters.places), numbers, strict=True))
            for batch in rows_at(folder / letters.name, list(one_of_row.values())):
                writer.write([batch.column(field.name) for field in fields])


def first_results(chosen: Chosen, number: int, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The first results of those that were run again, as they are now, in these columns."""
    rows: list[dict[str, Any]] = []
    for letters in chosen.letters:
        for batch in rows_at(chosen.output / RESULTS / letters.name, letters.results[: number - len(rows)], columns):
            rows += values_of(batch)
    return rows


def told_apart_by(output: Path, letters: Letters, columns: Sequence[str]) -> list[dict[str, Any]]:
    """What the failed results have in the task's columns: the values that tell a row's results apart."""
    batches = rows_at(output / RESULTS / letters.name, letters.results, columns)
    rows = [row for batch in batches for row in batch.to_pylist()]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
