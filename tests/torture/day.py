"""A day in the life of a schedule: every hour a new file, a run over the whole folder, and kills in between."""

import signal
import time
from functools import partial
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.children import Child
from tests.torture.kills import DEADLINE_SECONDS
from tests.torture.scenes import IN_FLIGHT, Scene
from tests.torture.verdicts import Broken, check_equal, check_folder, check_nothing_left, must, read_manifest

_MOST_ROWS = 120
_PLACES = {"in", "out", ".out.lock", "store", "sent", "stderr.txt", "calm"}


def main(seed: int, hours: int, folder: Path) -> int:
    """Live through some hours. Returns the exit code."""
    rng = Random(seed)
    texts: list[str] = []
    num_rows = num_kills = 0
    for hour in range(hours):
        texts += [f"feedback {len(texts) + i} of hour {hour}" for i in range(rng.randint(1, _MOST_ROWS))]
        rows = rng.choices(texts, k=rng.randint(1, _MOST_ROWS))  # some are old ones
        (folder / "in").mkdir(exist_ok=True)
        pq.write_table(pa.table({"text": rows}), folder / f"in/hour-{hour:02d}.parquet")
        num_rows += len(rows)
        try:
            num_kills += _live_through(Scene(folder, "sentiment", num_rows, 1, 0.0005, 10_000), rng, num_kills)
        except Broken as error:
            print(f"  BROKEN in hour {hour} ({folder}, kept): {error}", flush=True)
            return 1
    sent = (folder / "sent").stat().st_size
    print(f"day: {hours} hours, {num_rows} rows, {num_kills} kills, {sent} requests sent, 0 broken promises")
    return 0


def _live_through(scene: Scene, rng: Random, kills_before: int) -> int:
    """One run over all that is there, killed now and then; returns how often."""
    folder, num_kills = scene.folder, 0
    run = partial(scene.run, folder / "out", folder / "store", folder / "sent")
    while rng.random() < 0.5:
        child = Child(run, folder)
        time.sleep(rng.uniform(0.05, 0.8))
        if child.is_alive():
            num_kills += 1
        child.send(signal.SIGKILL)
        child.wait(DEADLINE_SECONDS)
    ended = Child(run, folder).wait(DEADLINE_SECONDS)
    must(ended.code == 0, f"it ended with {ended.code}: {ended.err}")
    calm = folder / "calm" / str(scene.rows)
    calm.mkdir(parents=True)
    ended = Child(partial(scene.run, calm / "out", calm / "store", calm / "sent"), calm).wait(DEADLINE_SECONDS)
    must(ended.code == 0, f"the undisturbed run ended with {ended.code}: {ended.err}")
    check_equal(check_folder(folder / "out", scene.rows, 1), check_folder(calm / "out", scene.rows, 1))
    check_nothing_left(folder, folder / "store", _PLACES)
    unique = read_manifest(calm / "out")["counts"]["unique"]
    sent, may_cost = (folder / "sent").stat().st_size, IN_FLIGHT * (kills_before + num_kills)
    must(unique <= sent <= unique + may_cost, f"{sent} requests sent for {unique} texts, kills may cost {may_cost}")
    return num_kills
