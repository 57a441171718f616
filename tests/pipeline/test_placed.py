"""GPUs of a machine, each taken by one process."""

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


def test_only_an_engine_that_computes_here_takes_any() -> None:
    needs = EngineNeeds("run", 512, None)
    assert placed.placed(ScriptedSpec(needs)) == ScriptedSpec(needs)
    spec = placed.placed(VllmSpec(needs))
    assert isinstance(spec, placed.PlacedSpec)
    assert placed.placed(spec) == spec
