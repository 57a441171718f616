"""The output folder of a complete run, read column by column: what a question about it needs, and no more."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.errors import UsageError, first_line
from pipeline.run_folder import read_manifest
from schemas.envelope import GENERATED_KEY, ID_COLUMN
from schemas.manifest import Manifest


@dataclass(frozen=True)
class RunOutput:
    """A complete run's results, in the order of its files."""

    folder: Path
    manifest: Manifest

    @classmethod
    def of(cls, folder: Path) -> "RunOutput":
        """The run in a folder.

        Raises:
            UsageError: if there is none that is complete.
        """
        folder = folder.expanduser().absolute()
        return cls(folder, read_manifest(folder))

    @cached_property
    def _dataset(self) -> ds.Dataset:
        try:
            return ds.dataset([str(self.folder / file.path) for file in self.manifest.results], format="parquet")
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"cannot read the results of {self.folder}: {first_line(error)}") from None

    @property
    def schema(self) -> Mapping[str, pa.DataType]:
        """Column → type."""
        return {field.name: field.type for field in self._dataset.schema}

    @property
    def answer_columns(self) -> list[str]:
        """The task's columns that a person wants to see first, those that the results have."""
        return [name for name in self.manifest.answer_columns if name in self.schema]

    @property
    def text_columns(self) -> list[str]:
        """The columns that the task read, by their names in the output."""
        return [name for name in self.manifest.text_columns if name in self.schema and name != ID_COLUMN]

    @property
    def choice_labels(self) -> frozenset[str]:
        """What the model could choose among, over all questions of the run."""
        decodings = (question["decoding"] for question in self.manifest.recipe["questions"].values())
        return frozenset(label for decoding in decodings for label in decoding.get("labels", ()))

    @property
    def made_columns(self) -> tuple[str, ...]:
        """The columns that the task made, as the files say; others of these names came from the input.

        Raises:
            UsageError: if the files do not say so.
        """
        told = (self._dataset.schema.metadata or {}).get(GENERATED_KEY.encode())
        if told is None:
            raise UsageError(f"the results of {self.folder} do not say which columns the task made")
        return tuple(name for name in json.loads(told)["columns"] if name in self.schema)

    def column(self, name: str) -> pa.ChunkedArray:
        """One column, of every row.

        Raises:
            UsageError: if it cannot be read.
        """
        return self.table([name]).column(0)

    def table(self, names: Sequence[str]) -> pa.Table:
        """Some columns, of every row.

        Raises:
            UsageError: if they cannot be read.
        """
        try:
            return self._dataset.to_table(columns=list(names))
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"cannot read the results of {self.folder}: {first_line(error)}") from None

    def batches(self, name: str) -> Iterator[pa.Array]:
        """One column, batch by batch.

        Raises:
            UsageError: if it cannot be read.
        """
        try:
            for batch in self._dataset.to_batches(columns=[name]):
                yield batch.column(0)
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"cannot read the results of {self.folder}: {first_line(error)}") from None

    def rows(self, numbers: Sequence[int], columns: Sequence[str]) -> list[dict[str, object]]:
        """Some rows, by their numbers, as plain values."""
        found: list[dict[str, object]] = self._dataset.take(
            pa.array(numbers, pa.int64()), columns=list(columns)
        ).to_pylist()
        return found
