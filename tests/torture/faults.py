"""Faults of disks, files, clocks and engines: one clear line, nothing half-written, nothing paid for twice."""

import functools
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import jobs.cli
import jobs.run
import jobs.summary
import pipeline.outputs
import pipeline.parts
import pipeline.rows
from pipeline.completions import CompletionFolder
from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import EngineDied
from pipeline.outputs import RunFolder
from tests.torture.children import CRASHED, Child
from tests.torture.scenes import IN_FLIGHT, cut_small, slow_down
from tests.torture.verdicts import Broken, check_equal, check_folder, check_nothing_left, must, read_manifest

_ROWS = 600
_UNIQUE = 400
_DEADLINE_SECONDS = 60.0
_FLIPS = 4
_FAULTS: dict[str, Callable[["Job"], None]] = {}

Spoil = Callable[[], None]
"""What is done to a run, in its process, before it starts."""


def main(seed: int, folder: Path) -> int:
    """Try every fault; returns the exit code."""
    random.seed(seed)
    broken = 0
    for name, fault in _FAULTS.items():
        place = folder / name
        job = Job(place)
        job.write_input()
        try:
            fault(job)
            print(f"  {name}: as promised", flush=True)
        except Broken as error:
            broken += 1
            print(f"  BROKEN, {name} in {place} (kept): {error}", flush=True)
    print(f"faults: {len(_FAULTS)} faults, {broken} broken promises")
    return 1 if broken else 0


def _fault(act: Callable[["Job"], None]) -> Callable[["Job"], None]:
    _FAULTS[act.__name__] = act
    return act


@dataclass(frozen=True)
class Job:
    """A job in a folder of its own: `in`, `out`, `store`, and a byte in `sent` for every request.

    Attributes:
        place: the folder.
        output, store: where they are, below it.
    """

    place: Path
    output: str = "out"
    store: str = "store"

    def write_input(self) -> None:
        """600 rows in two files, 400 of them different, one of them empty."""
        (self.place / "in").mkdir(parents=True)
        for i in range(2):
            texts = [f"text {n % _UNIQUE}" if n else "" for n in range(i * _ROWS // 2, (i + 1) * _ROWS // 2)]
            pq.write_table(pa.table({"text": texts}), self.place / f"in/{i}.parquet", row_group_size=100)

    def run(self, spoil: Spoil | None = None) -> tuple[int, str]:
        """Run the command; returns its exit code and its error line, if it ends with one."""
        ended = Child(partial(self._work, spoil), self.place).wait(_DEADLINE_SECONDS)
        must(ended.code is not None, f"still at work after {_DEADLINE_SECONDS:.0f} seconds")
        must("Traceback" not in ended.err, ended.err)
        lines = [line for line in ended.err.splitlines() if line and not line.startswith(("  ", "hint:"))]
        must(len(lines) == (ended.code != 0), f"ended with {ended.code} and says: {ended.err}")
        return ended.code, lines[0] if lines else ""

    def _work(self, spoil: Spoil | None) -> int:
        cut_small(rows_in_wave=10_000)
        slow_down(0.0, os.open("sent", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))
        if spoil is not None:
            spoil()
        where = ["in", self.output, "--engine", "scripted", "--store", self.store]
        sys.argv = ["textmill", "sentiment", *where]
        try:
            jobs.cli.main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else CRASHED
        return 0

    @property
    def sent(self) -> int:
        """Requests that the engine has seen so far, in all runs."""
        return (self.place / "sent").stat().st_size if (self.place / "sent").exists() else 0

    def parts(self) -> list[Path]:
        """The parts of the store."""
        return sorted((self.place / self.store).rglob("part-*.parquet"))

    def must_fail(self, spoil: Spoil | None, code: int, *words: str) -> None:
        """Run it: it ends with this code and a line that has these words, and nothing half-written stays."""
        found, line = self.run(spoil)
        must(found == code, f"ended with {found} instead of {code}: {line}")
        must(all(word in line for word in words), f"does not say {words}: {line}")
        must(not (self.place / self.output).exists(), "there is an output")
        kept = [f for left in self.place.glob(".out.*.tmp") for f in left.rglob("*")]
        must(all(f.name == "run.log" for f in kept), f"left behind: {kept}")

    def must_end_well(self) -> dict[str, pa.Table]:
        """Run it: it ends well, and nothing of the fault is left; returns its rows."""
        code, line = self.run()
        must(code == 0, f"ended with {code}: {line}")
        allowed = {self.output, f".{self.output}.lock", self.store, "in", "sent", "stderr.txt"}
        check_nothing_left(self.place, self.place / self.store, allowed)
        return check_folder(self.place / self.output, _ROWS, 1)

    def must_have_paid(self, most: int) -> None:
        """No more was sent than this, in all runs."""
        must(self.sent <= most, f"{self.sent} requests were sent instead of at most {most}")


# ------------------------------------------------------------------------------------------------------- full disks


def _limit_files(owner: Any, name: str, most_bytes: int, after: int = 0) -> None:
    """Let no file grow beyond some bytes while a function runs, from its n-th call on: the system refuses to write."""
    act, calls = getattr(owner, name), iter(range(10**9))

    @functools.wraps(act)
    def limited(*arguments: Any, **named: Any) -> Any:
        if next(calls) < after:
            return act(*arguments, **named)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
        try:
            return act(*arguments, **named)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    setattr(owner, name, limited)


@_fault
def store_full(job: Job) -> None:
    """The store can take no more after some parts."""
    job.must_fail(lambda: _limit_files(CompletionFolder, "write_part", 100, after=3), 1, "completion store")
    must(len(job.parts()) == 3, f"{len(job.parts())} parts are stored")
    job.must_end_well()
    job.must_have_paid(_UNIQUE + IN_FLIGHT)


@_fault
def output_full(job: Job) -> None:
    """The results cannot be written."""
    job.must_fail(lambda: _limit_files(pipeline.outputs, "write_part", 100, after=1), 1, "cannot write the output")
    job.must_end_well()
    job.must_have_paid(_UNIQUE)


@_fault
def output_full_at_the_end(job: Job) -> None:
    """The manifest cannot be written."""
    job.must_fail(lambda: _limit_files(RunFolder, "commit", 100), 1, "cannot complete", "out")
    job.must_end_well()
    job.must_have_paid(_UNIQUE)


@contextmanager
def _tiny_disk(folder: Path, kilobytes: int) -> Iterator[bool]:
    """A real disk that is soon full, where this process may have one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "textmill-torture", str(folder)]
    is_there = shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield is_there
    finally:
        if is_there:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def _on_a_tiny_disk(job: Job, kilobytes: int, **place: str) -> None:
    with _tiny_disk(job.place / "disk", kilobytes) as is_there:
        if is_there:
            tight = Job(job.place, **place)
            code, line = tight.run()
            must(code == 1, f"on a full disk it ended with {code}: {line}")
            must("No space left" in line, f"does not say what is wrong: {line}")
            must(not (job.place / "disk/out").exists(), "there is an output")
    job.must_end_well()


@_fault
def disk_full_with_the_store_on_it(job: Job) -> None:
    """A real full disk, not just a limit."""
    _on_a_tiny_disk(job, 24, store="disk/store")


@_fault
def disk_full_with_the_output_and_its_log_on_it(job: Job) -> None:
    """The log cannot be written any more, either."""
    for kilobytes in (8, 32):
        shutil.rmtree(job.place / "out", ignore_errors=True)
        _on_a_tiny_disk(job, kilobytes, output="disk/out")
    job.must_have_paid(_UNIQUE)


# ------------------------------------------------------------------------------------------ places that cannot be had


@_fault
def store_below_a_file(job: Job) -> None:
    """No folder can be made there."""
    (job.place / "file").write_text("")
    Job(job.place, store="file/store").must_fail(None, 1, "completion store", "file/store")
    must(job.sent == 0, "it paid before it knew")


@_fault
def output_below_a_file(job: Job) -> None:
    """No folder can be made there."""
    (job.place / "file").write_text("")
    code, line = Job(job.place, output="file/out").run()
    must((code, "file/out" in line) == (2, True), f"ended with {code}: {line}")
    must(job.sent == 0, "it paid before it knew")


# ------------------------------------------------------------------------------------------------------ damaged parts


def _damaged_part(job: Job, damage: Callable[[bytes], bytes], must_be_seen: bool, times: int = 1) -> None:
    """A second run is as right as the first, pays for what was in the damaged part, and says so."""
    before = job.must_end_well()
    stored = {part: part.read_bytes() for part in job.parts()}
    for _ in range(times):
        part = random.choice(list(stored))
        rows = pq.read_metadata(part).num_rows
        part.write_bytes(damage(stored[part]))
        sent = job.sent
        check_equal(job.must_end_well(), before)
        damaged = read_manifest(job.place / job.output)["incidents"]["damaged_store_parts"]
        must(damaged <= 1 and (damaged == 1 or not must_be_seen), f"the manifest says {damaged} damaged parts")
        must(job.sent - sent == rows * damaged, f"{job.sent - sent} requests were sent again, the part had {rows}")
        for new in set(job.parts()) - set(stored):
            new.unlink()
        part.write_bytes(stored[part])


@_fault
def store_part_truncated(job: Job) -> None:
    """The end is missing."""
    _damaged_part(job, lambda content: content[: random.randrange(len(content))], must_be_seen=True)


@_fault
def store_part_overwritten(job: Job) -> None:
    """Its first pages are zeros."""
    _damaged_part(job, lambda content: content[:4] + bytes(1000) + content[1004:], must_be_seen=True)


@_fault
def store_part_bit_flipped(job: Job) -> None:
    """A bit anywhere; where it matters it is seen."""
    _damaged_part(job, _flip, must_be_seen=False, times=_FLIPS)


def _flip(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


# ------------------------------------------------------------------------------------------------- inputs that change


def _before(owner: Any, name: str, happens: Callable[[], None]) -> None:
    """Let something happen when a function is called for the first time."""
    act, calls = getattr(owner, name), iter(range(10**9))

    @functools.wraps(act)
    def disturbed(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 0:
            happens()
        return act(*arguments, **named)

    setattr(owner, name, disturbed)


def _change_input() -> None:
    pq.write_table(pa.table({"text": ["other"] * (_ROWS // 2)}), "in/1.parquet", row_group_size=100)


def _disturb_input(job: Job, happens: Callable[[], None]) -> None:
    content = (job.place / "in/1.parquet").read_bytes()
    for owner, name in ((jobs.run, "_run_pipeline"), (pipeline.outputs, "write_part")):
        job.must_fail(partial(_before, owner, name, happens), 1, "in/1.parquet")
        (job.place / "in/1.parquet").write_bytes(content)
    job.must_end_well()
    job.must_have_paid(_UNIQUE)


@_fault
def input_vanishes(job: Job) -> None:
    """Before it is read, and before its other columns are copied."""
    _disturb_input(job, lambda: Path("in/1.parquet").unlink())


@_fault
def input_changes(job: Job) -> None:
    """As many rows, and not the same ones."""
    _disturb_input(job, _change_input)


@_fault
def input_changes_while_it_is_read(job: Job) -> None:
    """After its first rows."""
    act = pipeline.rows.read_batches

    def read(*arguments: Any) -> Iterator[Any]:
        for batch in act(*arguments):
            if batch[1] == "1.parquet":
                _change_input()
            yield batch

    def spoil() -> None:
        _before(jobs.run, "_run_pipeline", lambda: setattr(pipeline.rows, "read_batches", read))

    job.must_fail(spoil, 1, "in/1.parquet", "was changed")
    shutil.rmtree(job.place / "in")
    job.write_input()
    job.must_end_well()


# ------------------------------------------------------------------------------------------------- clocks and engines


@_fault
def clock_jumps(job: Job) -> None:
    """Hours back and forth at every look."""
    real, jumps = time.time, random.Random(1)

    def spoil() -> None:
        time.time = lambda: real() + jumps.uniform(-1e5, 1e5)
        time.time_ns = lambda: round(1e9 * time.time())

    code, line = job.run(spoil)
    must(code == 0, f"ended with {code}: {line}")
    check_folder(job.place / "out", _ROWS, 1)
    stored = sum(pq.read_metadata(part).num_rows for part in job.parts())
    must(stored == _UNIQUE, f"{stored} answers are stored")
    job.must_end_well()
    job.must_have_paid(_UNIQUE)


@_fault
def engine_dies(job: Job) -> None:
    """Once, with requests in flight: it is started again, and the manifest says so."""

    def spoil() -> None:
        def die() -> None:
            raise EngineDied("struck by lightning")

        _before(ScriptedEngine, "collect", die)

    code, line = job.run(spoil)
    must(code == 0, f"ended with {code}: {line}")
    check_folder(job.place / "out", _ROWS, 1)
    incidents = read_manifest(job.place / "out")["incidents"]
    must(incidents == {"engine_deaths": 1, "damaged_store_parts": 0}, f"the manifest says {incidents}")
