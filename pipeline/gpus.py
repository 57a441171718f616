"""The GPUs that NVIDIA's driver knows and this process may use."""

import os
from typing import Any


def visible_gpus() -> list[Any]:
    """NVML's handles of them; none without a driver. NVML stays open, for a handle is worth nothing without it.

    Those that CUDA_VISIBLE_DEVICES names, which NVML itself does not heed, where it names numbers or whole devices.
    """
    import pynvml

    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    try:
        pynvml.nvmlInit()
        if named and all(name.isdigit() or name.startswith("GPU-") for name in named):
            return [
                pynvml.nvmlDeviceGetHandleByIndex(int(name))
                if name.isdigit()
                else pynvml.nvmlDeviceGetHandleByUUID(name)
                for name in named
            ]
        return [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def gpu_ids() -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that this process may use; none without a driver."""
    import pynvml

    try:
        return [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in visible_gpus()]
    except pynvml.NVMLError:
        return []
