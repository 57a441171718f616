"""Disks that are full, and places that cannot be had."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pipeline.outputs
from pipeline.completions import CompletionFolder
from pipeline.run_folder import RunFolder
from tests.torture.fault_job import UNIQUE, Job, fault, limit_files
from tests.torture.scenes import IN_FLIGHT
from tests.torture.verdicts import must

# ------------------------------------------------------------------------------------------------------- full disks


@fault
def store_full(job: Job) -> None:
    """The store can take no more after some parts."""
    job.must_fail(lambda: limit_files(CompletionFolder, "write_part", 100, after=3), 1, "completion store")
    must(len(job.parts()) == 3, f"{len(job.parts())} parts are stored")
    job.must_end_well()
    job.must_have_paid(UNIQUE + IN_FLIGHT)


@fault
def output_full(job: Job) -> None:
    """The results cannot be written."""
    job.must_fail(lambda: limit_files(pipeline.outputs, "write_part", 100, after=1), 1, "cannot write the output")
    job.must_end_well()
    job.must_have_paid(UNIQUE)


@fault
def output_full_at_the_end(job: Job) -> None:
    """The manifest cannot be written."""
    job.must_fail(lambda: limit_files(RunFolder, "commit", 100), 1, "cannot complete", "out")
    job.must_end_well()
    job.must_have_paid(UNIQUE)


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


@fault
def disk_full_with_the_store_on_it(job: Job) -> None:
    """A real full disk, not just a limit."""
    _on_a_tiny_disk(job, 24, store="disk/store")


@fault
def disk_full_with_the_output_and_its_log_on_it(job: Job) -> None:
    """The log cannot be written any more, either."""
    _on_a_tiny_disk(job, 16, output="disk/out")
    job.must_have_paid(UNIQUE)


# ------------------------------------------------------------------------------------------ places that cannot be had


@fault
def store_below_a_file(job: Job) -> None:
    """No folder can be made there."""
    (job.place / "file").write_text("")
    Job(job.place, store="file/store").must_fail(None, 1, "completion store", "file/store")
    must(job.sent == 0, "it paid before it knew")


@fault
def output_below_a_file(job: Job) -> None:
    """No folder can be made there."""
    (job.place / "file").write_text("")
    code, line = Job(job.place, output="file/out").run()
    must((code, "file/out" in line) == (2, True), f"ended with {code}: {line}")
    must(job.sent == 0, "it paid before it knew")
