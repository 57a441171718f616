"""How many rows/s the pipeline itself can do, and in how much memory: the scripted engine answers at once.

Short reviews with the length distribution of real ones, all different, with 20 other columns to pass through, in row
groups of 50,000. For each size a first run, which sends every row, a re-run into another folder, which sends none, and
the first command again with `--if-changed`, which finds nothing to do, each in a process of its own. Prints rows/s,
peak memory (resident, of the whole process), where the time goes, and the exponent of time over rows from size to size.

    python benchmarks/pipeline_ceiling.py --rows 100000 --rows 1000000
"""

import argparse
import json
import math
import resource
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from corpora import unique_reviews
from measure import Figures, in_a_process, report

_HERE = Path(__file__).resolve()
_GROUP_ROWS = 50_000
_NUM_COLUMNS = 20


def main() -> None:
    """Run each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="may be repeated [default: 100,000 and 1,000,000]")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--output", default="first", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder:
        print(json.dumps(_run(args.folder, args.output)))
        return
    sizes = sorted(args.rows or [100_000, 1_000_000])
    outputs = {"first run": "first", "re-run": "other", "nothing changed": "first"}
    runs: dict[str, list[Figures]] = {name: [] for name in outputs}
    for num_rows in sizes:
        with TemporaryDirectory() as folder:
            _write_input(Path(folder) / "in.parquet", num_rows)
            for name, output in outputs.items():
                runs[name].append(in_a_process(_HERE, "--folder", folder, "--output", output))
    series = {
        f"{name}, {num_rows:,} rows: {figure}": [found[figure]]
        for name, all_found in runs.items()
        for num_rows, found in zip(sizes, all_found, strict=True)
        for figure in found
    }
    for name, all_found in runs.items():
        for (few, quick), (many, slow) in pairwise(zip(sizes, all_found, strict=True)):
            exponent = math.log(slow["seconds"] / quick["seconds"]) / math.log(many / few)
            series[f"{name}, exponent of time from {few:,} to {many:,} rows"] = [exponent]
    report(_HERE, "Scripted engine, short reviews, 20 other columns", series, sizes=sizes)


def _write_input(file: Path, num_rows: int) -> None:
    import numpy as np
    import pyarrow.parquet as pq

    texts = unique_reviews(14_000)
    draw = np.random.default_rng(0)
    with pq.ParquetWriter(file, _table(texts, 0, 1, draw).schema, compression="zstd") as writer:
        for start in range(0, num_rows, _GROUP_ROWS):
            writer.write_table(_table(texts, start, min(num_rows, start + _GROUP_ROWS), draw))


def _table(texts: list[str], start: int, stop: int, draw: Any) -> Any:
    import pyarrow as pa

    numbers = range(start, stop)
    columns: dict[str, Any] = {
        "id": [f"r{i}" for i in numbers],
        "text": [f"{texts[i % len(texts)]} {i}" for i in numbers],
    }
    for i in range(_NUM_COLUMNS):
        if i % 2:
            columns[f"number_{i}"] = draw.random(len(numbers))
        else:
            columns[f"name_{i}"] = [f"value {n}" for n in draw.integers(0, 1000, len(numbers))]
    return pa.table(columns)


def _run(folder: Path, output: str) -> Figures:
    import io

    from jobs.config import JobConfig
    from jobs.run import run_job
    from jobs.terminal import Terminal

    paths = {"inputs": (str(folder / "in.parquet"),), "output": str(folder / output), "store": str(folder / "store")}
    started = time.monotonic()
    manifest = run_job(
        JobConfig(task="sentiment", engine="scripted", if_changed=True, **paths), Terminal(io.StringIO())
    )
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"rows/s": manifest.counts.rows / seconds, "peak memory MB": peak, "seconds": seconds}
    if manifest.seconds["total"] > seconds:
        return figures  # the manifest is that of an earlier run
    phases = {f"{name} seconds": manifest.seconds[name] for name in ("prepare", "pipeline", "engine", "commit")}
    return {**figures, "sent": float(manifest.counts.sent), **phases}


if __name__ == "__main__":
    main()
