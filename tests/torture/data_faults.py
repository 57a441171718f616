"""Damage to the store and the input, clocks that jump and engines that die."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import jobs.run
import pipeline.outputs
import pipeline.rows
from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import EngineDied
from tests.torture.fault_job import ROWS, UNIQUE, Job, before, fault
from tests.torture.verdicts import check_equal, check_folder, must, read_manifest

_FLIPS = 3

# ------------------------------------------------------------------------------------------------------ damaged parts


def _damaged_part(job: Job, damage: Callable[[bytes], bytes], must_be_seen: bool, times: int = 1) -> None:
    """A second run is as right as the first, pays for what was in the damaged part, and says so."""
    first = job.must_end_well()
    stored = {part: part.read_bytes() for part in job.parts()}
    for _ in range(times):
        part = random.choice(list(stored))
        rows = pq.read_metadata(part).num_rows
        part.write_bytes(damage(stored[part]))
        sent = job.sent
        check_equal(job.must_end_well(), first)
        damaged = read_manifest(job.place / job.output)["incidents"]["damaged_store_parts"]
        must(damaged <= 1 and (damaged == 1 or not must_be_seen), f"the manifest says {damaged} damaged parts")
        must(job.sent - sent == rows * damaged, f"{job.sent - sent} requests were sent again, the part had {rows}")
        for new in set(job.parts()) - set(stored):
            new.unlink()
        part.write_bytes(stored[part])


@fault
def store_part_truncated(job: Job) -> None:
    """The end is missing."""
    _damaged_part(job, lambda content: content[: random.randrange(len(content))], must_be_seen=True)


@fault
def store_part_overwritten(job: Job) -> None:
    """Its first pages are zeros."""
    _damaged_part(job, lambda content: content[:4] + bytes(1000) + content[1004:], must_be_seen=True)


@fault
def store_part_bit_flipped(job: Job) -> None:
    """A bit anywhere; where it matters it is seen."""
    _damaged_part(job, _flip, must_be_seen=False, times=_FLIPS)


def _flip(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


# ------------------------------------------------------------------------------------------------- inputs that change


def _change_input() -> None:
    pq.write_table(pa.table({"text": ["other"] * (ROWS // 2)}), "in/1.parquet", row_group_size=100)


def _disturb_input(job: Job, happens: Callable[[], None]) -> None:
    content = (job.place / "in/1.parquet").read_bytes()
    for owner, name in ((jobs.run, "_run_pipeline"), (pipeline.outputs, "write_part")):
        job.must_fail(partial(before, owner, name, happens), 1, "in/1.parquet")
        (job.place / "in/1.parquet").write_bytes(content)
    job.must_end_well()
    job.must_have_paid(UNIQUE)


@fault
def input_vanishes(job: Job) -> None:
    """Before it is read, and before its other columns are copied."""
    _disturb_input(job, lambda: Path("in/1.parquet").unlink())


@fault
def input_changes(job: Job) -> None:
    """As many rows, and not the same ones."""
    _disturb_input(job, _change_input)


@fault
def input_changes_while_it_is_read(job: Job) -> None:
    """After its first rows."""
    act = pipeline.rows.read_batches

    def read(*arguments: Any) -> Iterator[Any]:
        for batch in act(*arguments):
            if batch[1] == "1.parquet":
                _change_input()
            yield batch

    def spoil() -> None:
        before(jobs.run, "_run_pipeline", lambda: setattr(pipeline.rows, "read_batches", read))

    job.must_fail(spoil, 1, "in/1.parquet", "was changed")
    shutil.rmtree(job.place / "in")
    job.write_input()
    job.must_end_well()


# ------------------------------------------------------------------------------------------------- clocks and engines


@fault
def clock_jumps(job: Job) -> None:
    """Hours back and forth at every look."""
    real, jumps = time.time, random.Random(1)

    def spoil() -> None:
        time.time = lambda: real() + jumps.uniform(-1e5, 1e5)
        time.time_ns = lambda: round(1e9 * time.time())

    code, line = job.run(spoil)
    must(code == 0, f"ended with {code}: {line}")
    check_folder(job.place / "out", ROWS, 1)
    stored = sum(pq.read_metadata(part).num_rows for part in job.parts())
    must(stored == UNIQUE, f"{stored} answers are stored")
    job.must_end_well()
    job.must_have_paid(UNIQUE)


@fault
def engine_dies(job: Job) -> None:
    """Once, with requests in flight: it is started again, and the manifest says so."""

    def spoil() -> None:
        def die() -> None:
            raise EngineDied("struck by lightning")

        before(ScriptedEngine, "collect", die)

    code, line = job.run(spoil)
    must(code == 0, f"ended with {code}: {line}")
    check_folder(job.place / "out", ROWS, 1)
    incidents = read_manifest(job.place / "out")["incidents"]
    expected = {"engine_deaths": 1, "damaged_store_parts": 0, "workers_lost": 0}
    must(incidents == expected, f"the manifest says {incidents}")
