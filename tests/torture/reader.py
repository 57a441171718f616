"""A reader of an output folder, who looks again and again while runs come and go."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.torture.children import mark
from tests.torture.verdicts import Broken, must, read_manifest, read_tables

_PAUSE_SECONDS = 0.01


def watch(output: Path, rows: int, results_in_row: int) -> int:
    """In a child: look until SIGTERM; ends with 1, and says why, if it sees anything but one whole run."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    was_there = False
    while True:
        time.sleep(_PAUSE_SECONDS)
        try:
            manifest = _manifest(output)
        except Broken as error:
            os.write(2, str(error).encode())
            return 1
        if manifest is None:
            if was_there:
                os.write(2, b"an output that was there is gone")
                return 1
            continue
        was_there = True
        try:
            if _look(output, manifest, rows * results_in_row):
                mark(b".")
        except Broken as error:
            os.write(2, str(error).encode())
            return 1


def _manifest(output: Path) -> dict[str, Any] | None:
    try:
        return read_manifest(output)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Broken(f"half a manifest: {error}") from None


def _look(output: Path, manifest: dict[str, Any], results: int) -> bool:
    """Read the files of a manifest; False if another run took the place meanwhile."""
    problem = None
    try:
        tables = read_tables(output, manifest)
        if tables["results"].num_rows != results:
            problem = f"{tables['results'].num_rows} rows of {results}"
    except OSError as error:
        problem = str(error)
    after = _manifest(output)
    must(after is not None, "an output that was there is gone")
    if after["run_id"] != manifest["run_id"]:
        return False
    must(problem is None, f"with one manifest before and after: {problem}")
    return True
