"""What vLLM has to know of adapters before it starts. It imports nothing of vLLM's."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.adapters import adapter_digest
from pipeline.engines.base import AdapterFiles
from pipeline.errors import AdapterChanged, UsageError
from schemas.adapter import PEFT_NAME

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""That vLLM keeps room for. Source: vLLM 0.32, `vllm/config/lora.py`."""
_TOGETHER = 8
"""So many adapters, at most, are put on in one batch; rows of others wait for a later one."""


def lora_arguments(folders: Iterable[str]) -> dict[str, Any]:
    """vLLM's arguments for serving these adapters; nothing without any.

    Only the layers that an adapter changes are made ready for it.

    Raises:
        UsageError: if an adapter is too large.
    """
    configs = [json.loads((Path(folder) / PEFT_NAME).read_bytes()) for folder in folders]
    if not configs:
        return {}
    rank = max(max((config["r"], *(config.get("rank_pattern") or {}).values())) for config in configs)
    if rank > _RANKS[-1]:
        raise UsageError(f"an adapter has rank {rank}; vLLM serves up to {_RANKS[-1]}", "merge it with --adapter")
    targets = [config["target_modules"] for config in configs]
    return {
        "enable_lora": True,
        "max_lora_rank": next(room for room in _RANKS if room >= rank),
        "max_loras": min(len(configs), _TOGETHER),
        "max_cpu_loras": len(configs),
        "lora_target_modules": sorted({name for names in targets for name in names})
        if all(isinstance(names, list) for names in targets)
        else None,  # a pattern: vLLM makes all layers ready
    }


def refuse_changed(adapters: Mapping[str, AdapterFiles]) -> None:
    """Called once they are loaded: what was read is then what answers are kept under.

    Raises:
        AdapterChanged: if one is not what it was when the run began.
    """
    for name, one in adapters.items():
        try:
            is_same = adapter_digest(Path(one.folder)) == one.digest
        except OSError:
            is_same = False
        if not is_same:
            raise AdapterChanged(
                f"the adapter {name} was changed while the run was on: {one.folder}",
                "run the job again; what was answered before is in the store",
            )
