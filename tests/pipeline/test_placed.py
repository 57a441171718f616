"""GPUs of a machine, each taken by one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engines import placed
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedSpec
from pipeline.engines.vllm_engine import VllmSpec
from pipeline.errors import RunError

_IDS = ["GPU-a", "GPU-b", "GPU-c"]
_OTHER = """
import sys
from pathlib import Path
from pipeline.engines.placed import take_devices
print(*take_devices(["GPU-a", "GPU-b", "GPU-c"], int(sys.argv[2]), Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_each_process_takes_devices_of_its_own_and_they_are_free_when_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OTHER, str(tmp_path), "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().split() == _IDS[:2]
        assert placed.take_devices(_IDS, 1, tmp_path) == ["GPU-c"]
        assert placed.take_devices(_IDS, 1, tmp_path) == ["GPU-c"], "an engine that is started again stays where it was"
        with pytest.raises(RunError, match="2 GPUs are needed and 1 of 3 are free"):
            placed.take_devices(_IDS, 2, tmp_path)
        other.kill()
    assert placed.take_devices(_IDS, 3, tmp_path) == ["GPU-c", "GPU-a", "GPU-b"]


def test_every_user_may_take_a_device_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        placed.take_devices(["MIG-GPU-a/1/0"], 1, tmp_path / "locks")
    finally:
        os.umask(before)
    assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "locks" / "MIG-GPU-a_1_0").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "locks").touch()
    with pytest.raises(RunError, match="cannot take a GPU in"):
        placed.take_devices(_IDS, 1, tmp_path / "locks")


def test_only_an_engine_that_computes_here_takes_any() -> None:
    needs = EngineNeeds("run", 512, None)
    assert placed.placed(ScriptedSpec(needs)) == ScriptedSpec(needs)
    spec = placed.placed(VllmSpec(needs))
    assert isinstance(spec, placed.PlacedSpec)
    assert placed.placed(spec) == spec
