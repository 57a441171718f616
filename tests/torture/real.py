"""Kill runs of the real engine, as a schedule's machine would: the command, its whole process group, with -9."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.verdicts import Broken, check_nothing_left, must, read_manifest

_ROWS, _DUPLICATES = 1500, 100
_SAME = 0.02
"""Probabilities move a little with what else is in a batch."""


def main(seed: int, number: int, folder: Path) -> int:
    """Kill a run so many times and let the last one end. Returns the exit code."""
    rng = Random(seed)
    texts = [
        f"Parcel {i} came {'late' if i % 3 else 'early'} and was {'broken' if i % 2 else 'fine'}." for i in range(_ROWS)
    ]
    pq.write_table(pa.table({"text": texts + texts[:_DUPLICATES]}), folder / "in.parquet")
    num_kills = 0
    while num_kills < number:
        run = _start(folder, "out", "store")
        _wait_for_moment(run, folder / "store", rng)
        if run.poll() is not None:
            must(run.returncode == 0, f"a run that nobody stopped ended with {run.returncode}")
            print(f"  it ended after {num_kills} kills; once more from the start", flush=True)
            _forget(folder)
            continue
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        num_kills += 1
        print(f"  {num_kills}/{number} kills, {_stored(folder / 'store')} answers stored", flush=True)
    try:
        _check(folder)
    except Broken as error:
        print(f"  BROKEN ({folder}, kept): {error}")
        return 1
    print(
        f"real: {num_kills} kills, {_ROWS + _DUPLICATES} rows, {_stored(folder / 'store')} answers, 0 broken promises"
    )
    return 0


def _start(folder: Path, output: str, store: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.cli", "sentiment", str(folder / "in.parquet"), str(folder / output)]
    command += ["--model", "smollm2-135m", "--store", str(folder / store)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _wait_for_moment(run: subprocess.Popen[bytes], store: Path, rng: Random) -> None:
    """Now and then while the engine starts, else some seconds after it has answered something new."""
    before, deadline = _stored(store), time.monotonic() + (rng.uniform(3, 12) if rng.random() < 0.3 else 120)
    while run.poll() is None and time.monotonic() < deadline and _stored(store) == before:
        time.sleep(0.2)
    time.sleep(rng.uniform(0, 4))


def _forget(folder: Path) -> None:
    for part in (folder / "store").rglob("part-*.parquet"):
        part.unlink()


def _stored(store: Path) -> int:
    return sum(pq.read_metadata(part).num_rows for part in store.rglob("part-*.parquet"))


def _check(folder: Path) -> None:
    """The run that nobody disturbs ends well, and says what one says that was never disturbed."""
    for output, store in (("out", "store"), ("calm", "calm store")):
        must(_start(folder, output, store).wait() == 0, f"the run to {output} failed")
    found, expected = (_rows(folder / output) for output in ("out", "calm"))
    must(read_manifest(folder / "out")["counts"]["ok"] == len(found) == _ROWS + _DUPLICATES, f"{len(found)} rows")
    for one, other in zip(found, expected, strict=True):
        same = one["text"] == other["text"] and math.isclose(one["score"], other["score"], abs_tol=_SAME)
        must(same, f"not what the undisturbed run says: {one} {other}")
    must(_stored(folder / "store") == _ROWS, f"{_stored(folder / 'store')} answers for {_ROWS} texts")
    places = {"in.parquet", "out", ".out.lock", "store", "calm", ".calm.lock", "calm store"}
    check_nothing_left(folder, folder / "store", places)


def _rows(output: Path) -> list[dict[str, Any]]:
    return pq.read_table(output / "results", columns=["text", "score"]).to_pylist()
