"""Short ones of what `make torture` runs at full size."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    ["kills --seed 7 --number 6 --rows 120", "fuzz --seed 7 --number 50", "faults", "day --seed 7 --number 2"],
)
def test_promises_hold_under_torture(arguments: str, record_property: Callable[[str, object], None]) -> None:
    command = [sys.executable, "-m", "tests.torture", *arguments.split()]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    record_property("torture", ended.stdout.splitlines()[-1])
