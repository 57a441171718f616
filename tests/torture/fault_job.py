"""The job that faults are injected into, and how."""

import functools
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import jobs.cli
import jobs.run
import jobs.summary
from tests.torture.children import CRASHED, Child
from tests.torture.scenes import cut_small, slow_down
from tests.torture.verdicts import check_folder, check_nothing_left, must

ROWS = 600
UNIQUE = 400
_DEADLINE_SECONDS = 60.0
FAULTS: dict[str, Callable[["Job"], None]] = {}
"""By name, in the order in which they are tried."""

Spoil = Callable[[], None]
"""What is done to a run, in its process, before it starts."""


def fault(act: Callable[["Job"], None]) -> Callable[["Job"], None]:
    """A fault to be tried: a function that injects it into a job and checks how that ends."""
    FAULTS[act.__name__] = act
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
            texts = [f"text {n % UNIQUE}" if n else "" for n in range(i * ROWS // 2, (i + 1) * ROWS // 2)]
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
        must(all(f.name in {"run.json", "run.log"} for f in kept), f"left behind: {kept}")

    def must_end_well(self) -> dict[str, pa.Table]:
        """Run it: it ends well, and nothing of the fault is left; returns its rows."""
        code, line = self.run()
        must(code == 0, f"ended with {code}: {line}")
        allowed = {self.output, f".{self.output}.lock", self.store, "in", "sent", "stderr.txt"}
        check_nothing_left(self.place, self.place / self.store, allowed)
        return check_folder(self.place / self.output, ROWS, 1)

    def must_have_paid(self, most: int) -> None:
        """No more was sent than this, in all runs."""
        must(self.sent <= most, f"{self.sent} requests were sent instead of at most {most}")


def limit_files(owner: Any, name: str, most_bytes: int, after: int = 0) -> None:
    """Let no file grow beyond some bytes while a function runs, from its n-th call on: the system refuses to write."""
    act, calls = getattr(owner, name), iter(range(10**9))

    @functools.wraps(act)
    def limited(*arguments: Any, **named: Any) -> Any:
        if next(calls) < after:
            return act(*arguments, **named)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
        try:
            return act(*arguments, **named)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    setattr(owner, name, limited)


def before(owner: Any, name: str, happens: Callable[[], None]) -> None:
    """Let something happen when a function is called for the first time."""
    act, calls = getattr(owner, name), iter(range(10**9))

    @functools.wraps(act)
    def disturbed(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 0:
            happens()
        return act(*arguments, **named)

    setattr(owner, name, disturbed)
