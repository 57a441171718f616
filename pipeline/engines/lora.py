"""What vLLM has to know of adapters before it starts. It imports nothing of vLLM's."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.adapters import adapter_digest
from pipeline.engines.base import AdapterFiles
from pipeline.errors import AdapterChanged, UsageError, first_line
from schemas.adapter import PEFT_NAME

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""That vLLM keeps room for. Source: vLLM 0.32, `vllm/config/lora.py`."""
_TOGETHER = 8
"""So many adapters, at most, are put on in one batch; rows of others wait for a later one."""


def lora_arguments(folders: Iterable[str]) -> dict[str, Any]:
    """vLLM's arguments for serving these adapters; nothing without any.

    Only the layers that an adapter changes are made ready for it.

    Raises:
        UsageError: if an adapter is too large, or does not say how large it is.
    """
    ranks, targets = [], []
    for folder in folders:
        try:
            config = json.loads((Path(folder) / PEFT_NAME).read_bytes())
            rank = max(config["r"], *(config.get("rank_pattern") or {}).values(), 0)
            targets.append(config["target_modules"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"{type(error).__name__}: {first_line(error)}"
            raise UsageError(f"the adapter's {Path(folder) / PEFT_NAME} cannot be read: {said}") from None
        if rank > _RANKS[-1]:
            said = f"the adapter {folder} has rank {rank}; by row vLLM serves up to {_RANKS[-1]}"
            raise UsageError(said, "a job of its own with --adapter has no such limit")
        ranks.append(rank)
    if not ranks:
        return {}
    return {
        "enable_lora": True,
        "max_lora_rank": next(room for room in _RANKS if room >= max(ranks)),
        "max_loras": min(len(ranks), _TOGETHER),
        "max_cpu_loras": len(ranks),
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
