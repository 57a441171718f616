"""Faults of disks, files, clocks and engines: one clear line, nothing half-written, nothing paid for twice."""

import random
from pathlib import Path

from tests.torture import data_faults, disk_faults  # noqa: F401 - they are found by being imported
from tests.torture.fault_job import FAULTS, Job
from tests.torture.verdicts import Broken


def main(seed: int, folder: Path) -> int:
    """Try every fault; returns the exit code."""
    random.seed(seed)
    broken = 0
    for name, fault in FAULTS.items():
        place = folder / name
        job = Job(place)
        job.write_input()
        try:
            fault(job)
            print(f"  {name}: as promised", flush=True)
        except Broken as error:
            broken += 1
            print(f"  BROKEN, {name} in {place} (kept): {error}", flush=True)
    print(f"faults: {len(FAULTS)} faults, {broken} broken promises")
    return 1 if broken else 0
