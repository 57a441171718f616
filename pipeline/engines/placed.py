"""An engine that takes GPUs of its own before it starts, on a machine where several processes have one each."""

import fcntl
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engines.base import Engine, EngineNeeds, EngineSpec
from pipeline.engines.vllm_engine import VllmSpec
from pipeline.errors import RunError
from pipeline.gpus import gpu_ids

_PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size")

_taken: dict[str, int] = {}
"""The locks of this process: they go when it ends, however it ends."""


@dataclass(frozen=True)
class PlacedSpec:
    """A spec whose engine takes so many GPUs as it needs for itself; on a machine without any it is the spec itself.

    Attributes:
        spec: the engine's.
    """

    spec: EngineSpec

    @property
    def needs(self) -> EngineNeeds:
        """Those of the spec."""
        return self.spec.needs

    def open(self) -> Engine:
        """Take the GPUs, and start it.

        Raises:
            RunError: if there are GPUs, and too few that nobody has taken.
        """
        if ids := gpu_ids():
            number = 1
            for name in _PARALLEL:
                number *= int(self.needs.arguments.get(name, 1))
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(take_devices(ids, number))
        return self.spec.open()

    def identity(self) -> Mapping[str, Any]:
        """That of the spec: which GPU it is changes no answer."""
        return self.spec.identity()


def placed(spec: EngineSpec) -> EngineSpec:
    """The spec for a process among others: it takes GPUs if its engine is one that computes on them itself."""
    return PlacedSpec(spec) if isinstance(spec, VllmSpec) else spec


def take_devices(ids: Sequence[str], number: int, folder: Path | None = None) -> list[str]:
    """Take so many of the devices for this process, until it ends; what it has taken before is taken already.

    Args:
        ids: of the devices, the same on all processes of the machine.
        folder: of the lock files, one for each device.

    Raises:
        RunError: if fewer are free, or the lock files cannot be had.
    """
    folder = folder or Path(tempfile.gettempdir()) / "textmill-gpus"
    try:
        own = _take_some(ids, number, folder)
    except OSError as error:
        raise RunError(f"cannot take a GPU in {folder}: {error.strerror}", "is it a folder that all may use?") from None
    if len(own) < number:
        raise RunError(
            f"{number} GPUs are needed and {len(own)} of {len(ids)} are free", "fewer workers, or another machine"
        )
    return own


def _take_some(ids: Sequence[str], number: int, folder: Path) -> list[str]:
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o1777)  # whatever the umask: other users take devices here, too
    files = {device: folder / device.replace("/", "_") for device in ids}
    own = [device for device in ids if str(files[device]) in _taken][:number]
    for device in (device for device in ids if device not in own):
        if len(own) == number:
            break
        if _take(files[device]):
            own.append(device)
    return own


def _take(file: Path) -> bool:
    try:
        lock = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        lock = os.open(file, os.O_RDONLY | os.O_CREAT, 0o644)
        os.fchmod(lock, 0o644)  # whatever the umask
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    _taken[str(file)] = lock
    return True
