"""How much memory a run needs, and how much there is."""

from pathlib import Path

from jobs.forecasting.figures import Memory
from jobs.prepare import Prepared
from pipeline.engines.vllm_settings import kv_cache_bytes
from pipeline.gpus import visible_gpus
from pipeline.run_history import this_host

_PROCESS_BYTES = 3 << 29
"""Python, torch, Beam and a wave of rows, with no model."""
_GPU_SHARE = 0.92
"""Source: `gpu_memory_utilization` of vLLM 0.32."""


def memory_of(prepared: Prepared) -> Memory | None:
    """On the device that holds the model; None if that cannot be told, as for an engine without weights."""
    needs = prepared.plan.engine.needs
    if needs.model_folder is None:
        return None
    weights = sum(file.stat().st_size for file in Path(needs.model_folder).glob("*.safetensors"))
    cache = needs.arguments.get("kv_cache_memory_bytes")
    if this_host().device == "cpu":
        import psutil

        available = psutil.virtual_memory().available
        return Memory(
            weights=weights, kv_cache=int(cache or kv_cache_bytes()), process=_PROCESS_BYTES, available=available
        )
    return _on_gpu(weights, float(needs.arguments.get("gpu_memory_utilization", _GPU_SHARE)))


def _on_gpu(weights: int, share: float) -> Memory | None:
    """vLLM takes a share of the first GPU, whatever the model needs, and does not start if less is free."""
    import pynvml

    gpus = visible_gpus()
    if not gpus:
        return None
    try:
        found = pynvml.nvmlDeviceGetMemoryInfo(gpus[0])
    except pynvml.NVMLError:
        return None
    return Memory(
        weights=weights, kv_cache=max(0, int(share * found.total) - weights), process=0, available=int(found.free)
    )
