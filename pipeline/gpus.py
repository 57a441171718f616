"""The GPUs that NVIDIA's driver knows and this process may use."""

import os
from itertools import takewhile
from typing import Any


def visible_gpus() -> list[Any]:
    """NVML's handles of them; none without a driver. NVML stays open, for a handle is worth nothing without it.

    Those that CUDA_VISIBLE_DEVICES names, which NVML itself does not heed.
    """
    return [handle for _, handle in _visible() if handle is not None]


def gpu_ids() -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that this process may use; none without a driver.

    A whole device by its full name, whatever the variable calls it, for other processes may call it something else.
    """
    import pynvml

    try:
        return [name if handle is None else str(pynvml.nvmlDeviceGetUUID(handle)) for name, handle in _visible()]
    except pynvml.NVMLError:
        return []


def _visible() -> list[tuple[str, Any]]:
    """The names of the devices, with their handles: None for a name that NVML cannot resolve, as of old MIG devices."""
    import pynvml

    try:
        pynvml.nvmlInit()
        every = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        names = _named()
        if names is None:
            names = [str(number) for number in range(len(every))]
        return [(name, _handle(pynvml, name, every)) for name in names]
    except pynvml.NVMLError:
        return []


def _named() -> list[str] | None:
    """What CUDA_VISIBLE_DEVICES names; None if it is not set. What follows an empty name or -1 does not count."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return None
    return list(takewhile(lambda name: name not in ("", "-1"), (name.strip() for name in named.split(","))))


def _handle(nvml: Any, name: str, every: list[Any]) -> Any:
    """CUDA takes numbers, the beginning of a device's name, and MIG devices."""
    if name.isdigit():
        return every[int(name)] if int(name) < len(every) else None
    if name.startswith("GPU-"):
        return next((handle for handle in every if str(nvml.nvmlDeviceGetUUID(handle)).startswith(name)), None)
    try:
        return nvml.nvmlDeviceGetHandleByUUID(name)
    except nvml.NVMLError:
        return None
