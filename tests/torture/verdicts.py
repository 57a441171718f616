"""What must be true of an output folder, whatever happened on the way to it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout


class Broken(AssertionError):
    """A promise does not hold."""


def must(holds: bool, message: str) -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(message)


def read_manifest(output: Path) -> dict[str, Any]:
    """The manifest of an output folder."""
    return json.loads((output / "manifest.json").read_text(encoding="utf-8"))


def read_tables(output: Path, manifest: dict[str, Any]) -> dict[str, pa.Table]:
    """The rows of the files that a manifest lists, without the runs that their answers are from."""
    tables = {}
    for kind in ("results", "dead_letters"):
        table = pa.concat_tables([pq.read_table(output / file["path"]) for file in manifest[kind]])
        if "meta" in table.column_names:
            fields = {f.name: f for f in table.schema.field("meta").type}
            meta = table.column("meta").combine_chunks()
            kept = [name for name in fields if name != "run_id"]
            bare = pa.StructArray.from_arrays([meta.field(name) for name in kept], kept)
            table = table.set_column(table.column_names.index("meta"), "meta", bare)
        tables[kind] = table
    return tables


def check_folder(output: Path, rows_in: int, results_in_row: int) -> dict[str, pa.Table]:
    """Check that an output folder is whole and its manifest true; returns its rows."""
    manifest = read_manifest(output)
    counts = manifest["counts"]
    there = {str(f.relative_to(output)) for f in output.rglob("*.parquet")}
    must(there == {f["path"] for f in (*manifest["results"], *manifest["dead_letters"])}, f"files: {there}")
    names = {entry.name for entry in output.iterdir()}
    must(names <= {"results", "dead_letters", "manifest.json", "run.log"}, f"in the output: {names}")
    for file in (*manifest["results"], *manifest["dead_letters"]):
        found = pq.read_metadata(output / file["path"]).num_rows, (output / file["path"]).stat().st_size
        must(found == (file["rows"], file["size_bytes"]), f"{file} has {found}")
    tables = read_tables(output, manifest)
    must(counts["rows"] == rows_in, f"{rows_in} rows in, the manifest says {counts['rows']}")
    must(tables["results"].num_rows == counts["results"], f"{tables['results'].num_rows} results, {counts}")
    must(counts["results"] == counts["ok"] + counts["failed"] == rows_in * results_in_row, f"results: {counts}")
    must(tables["dead_letters"].num_rows == counts["failed"], f"dead letters: {counts}")
    must(counts["unique"] == counts["reused"] + counts["sent"], f"requests: {counts}")
    return tables


def check_equal(found: dict[str, pa.Table], expected: dict[str, pa.Table]) -> None:
    """Check that two runs have the same rows, in the same order, with the same values."""
    for kind, table in expected.items():
        must(found[kind].schema.equals(table.schema), f"{kind}: other columns: {found[kind].schema}")
        must(found[kind].equals(table), f"{kind}: other rows than the undisturbed run's")


def check_parts(store: Path) -> None:
    """Check that every part of the store can be read to its end."""
    for part in store.rglob("part-*.parquet"):
        try:
            pq.read_table(part)
        except (pa.ArrowException, OSError) as error:
            raise Broken(f"a part of the store is damaged: {part.name}: {error}") from None


def check_nothing_left(parent: Path, store: Path, allowed: set[str]) -> None:
    """Check that nothing stays beside the output but its free lock file, and in the store parts and records."""
    left = {entry.name for entry in parent.iterdir()} - allowed
    must(not left, f"left over: {left}")
    files = [f for f in store.rglob("*") if f.is_file() and f.suffix != ".parquet" and f.name != "recipe.json"]
    odd = [f.name for f in files if f.parent != store / "runs" or f.suffix != ".json" or f.name.startswith(".")]
    must(not odd, f"left over in the store: {odd}")
    for lock in parent.glob(".*.lock"):
        try:
            FileLock(lock, timeout=0).acquire().lock.release()
        except Timeout:
            raise Broken(f"{lock.name} is locked") from None
