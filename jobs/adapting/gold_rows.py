"""Gold to learn from: a Parquet file, or a spreadsheet's CSV as `textmill uncertain` writes it."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import UsageError, first_line

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet may take for a formula, and what stands for it here."""


def read_gold_rows(file: Path) -> list[dict[str, Any]]:
    """The rows, as plain values; an empty cell of a CSV is None.

    Raises:
        UsageError: if the file cannot be read.
    """
    try:
        if file.suffix.lower() != ".csv":
            rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
            return [{name: _as_text(value) for name, value in row.items()} for row in rows]
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return [{k: from_cell(v) for k, v in row.items() if k is not None} for row in _reader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise UsageError(f"cannot read the gold {file}: {first_line(error)}", "give Parquet or CSV (UTF-8)") from None


def _as_text(value: Any) -> Any:
    """Bytes are text, as in a job's input."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _reader(stream: Any) -> "csv.DictReader[str]":
    """Spreadsheets write the separator of their language."""
    header = stream.readline()
    stream.seek(0)
    return csv.DictReader(stream, delimiter=";" if header.count(";") > header.count(",") else ",")


def to_cell(value: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{value}" if _FORMULA.match(value) else value


def from_cell(value: str | None) -> str | None:
    """The text that `to_cell` made a cell of."""
    if not value:
        return None
    return value[1:] if value[0] == "'" and _FORMULA.match(value) else value


def write_cells(file: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV that spreadsheets open as what it is, whole.

    Raises:
        UsageError: if that cannot be done.
    """
    scratch = file.with_name(f".{file.name}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([to_cell(name) for name in columns])
            for row in rows:
                values = [row.get(name) for name in columns]
                writer.writerow([to_cell(v) if isinstance(v, str) else "" if v is None else v for v in values])
        scratch.rename(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
