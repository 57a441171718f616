"""What worker processes cost and bring: a run in one process, and on 1 and more workers, with the scripted engine.

It shows the memory of each process and what each worker did: that none gathers the data. The scripted engine answers at
once, so this is the pipeline alone; with a real engine, workers are for more GPUs than one.

    python benchmarks/workers.py --rows 1000000 --workers 2
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

_GROUP_ROWS = 50_000


def write_rows(file: Path, rows: int) -> None:
    """Reviews of about 60 characters, a tenth of them twice."""
    with pq.ParquetWriter(file, pa.schema([("id", pa.int64()), ("text", pa.string())])) as writer:
        for start in range(0, rows, _GROUP_ROWS):
            ids = list(range(start, min(rows, start + _GROUP_ROWS)))
            texts = [f"The parcel {i - i % 10 // 9} arrived late, but what was in it is fine." for i in ids]
            writer.write_table(pa.table({"id": ids, "text": texts}), row_group_size=_GROUP_ROWS)


def kinds(process: psutil.Process) -> Iterator[tuple[str, int]]:
    """The memory of a run's processes, by what they are."""
    for one in [process, *process.children(recursive=True)]:
        try:
            words, memory = one.cmdline(), one.memory_info().rss
        except psutil.Error:
            continue
        name = next((w.rpartition(".")[2] for w in words if w.startswith("pipeline.cluster.")), "driver")
        number = json.loads(words[-1])["number"] if name == "worker" else ""
        yield f"{name}{number}", memory


def measure(file: Path, folder: Path, workers: int) -> dict[str, object]:
    """Run once, into a store of its own."""
    output = folder / f"out{workers}"
    command = [sys.executable, "-m", "jobs.cli", "sentiment", str(file), str(output), "--engine", "scripted", "--json"]
    command += ["--store", str(folder / f"store{workers}"), *(["--workers", str(workers)] if workers else [])]
    started = time.monotonic()
    peaks: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            for name, memory in kinds(watched):
                peaks[name] = max(memory, peaks.get(name, 0))
            time.sleep(0.5)
        manifest = json.loads((output / "manifest.json").read_text())
    return {
        "workers": workers,
        "seconds": round(time.monotonic() - started, 1),
        "rows_per_second": manifest["rates"]["rows_per_second"],
        "ok": manifest["counts"]["ok"],
        "sent": manifest["counts"]["sent"],
        "peak_mb": {name: round(memory / 1e6) for name, memory in sorted(peaks.items())},
        "did": [{name: one[name] for name in ("rows", "sent", "results")} for one in manifest["workers"]],
    }


def main() -> None:
    """Measure and print, a line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "rows.parquet"
        write_rows(file, arguments.rows)
        for number in arguments.workers:
            print(json.dumps(measure(file, Path(scratch), number)), flush=True)


if __name__ == "__main__":
    main()
