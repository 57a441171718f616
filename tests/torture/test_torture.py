"""Short ones of what `make torture` runs at full size."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("arguments", ["kills --seed 7 --number 12 --rows 120", "fuzz --seed 7 --number 80", "faults"])
def test_promises_hold_under_torture(arguments: str) -> None:
    command = [sys.executable, "-m", "tests.torture", *arguments.split()]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
