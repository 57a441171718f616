"""Which GPUs a process may use, with a driver that is made up: two devices, one of them with a part."""

import pynvml
import pytest

from pipeline.gpus import gpu_ids, visible_gpus

_DEVICES = ["GPU-aa11", "GPU-bb22"]


def _by_name(name: str) -> str:
    if name != "MIG-cc33":
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
    return name


@pytest.mark.parametrize(
    ("variable", "ids", "handles"),
    [
        (None, _DEVICES, _DEVICES),
        ("1", ["GPU-bb22"], ["GPU-bb22"]),
        ("GPU-b, 0", ["GPU-bb22", "GPU-aa11"], ["GPU-bb22", "GPU-aa11"]),
        ("1,-1,0", ["GPU-bb22"], ["GPU-bb22"]),
        ("", [], []),
        ("-1", [], []),
        ("MIG-cc33", ["MIG-cc33"], ["MIG-cc33"]),
        ("MIG-GPU-aa11/1/0", ["MIG-GPU-aa11/1/0"], []),
    ],
)
def test_the_gpus_are_those_that_cuda_would_use(variable, ids, handles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", _DEVICES.__getitem__)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", _by_name)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: handle)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert (gpu_ids(), visible_gpus()) == (ids, handles)
