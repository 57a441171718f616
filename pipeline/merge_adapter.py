"""Adapter into model: `python -m pipeline.merge_adapter MODEL ADAPTER OUT`, run once by `pipeline.adapters`.

Added in float32 and rounded once to the model's own type; tokenizer and chat template come along as they are. To
bfloat16 it is rounded up or down by chance, the likelier the nearer: what is added is mostly less than half of the last
place, so the nearest value would nearly always be the old one, and what was learnt would be lost.
"""

import shutil
import sys
from pathlib import Path
from typing import Any


def merge(model: Path, adapter: Path, out: Path) -> None:
    """Write the model folder `out`: the model's weights with the adapter's added."""
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM

    dtype = AutoConfig.from_pretrained(model).dtype or torch.float32
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    if dtype == torch.bfloat16:
        draw = torch.Generator().manual_seed(0)
        for weights in merged.parameters():
            weights.data = to_bfloat16(weights.data, draw)
    merged.to(dtype).save_pretrained(out)
    for file in model.iterdir():
        if file.suffix in (".json", ".jinja", ".model") and not (out / file.name).exists() and "index" not in file.name:
            shutil.copyfile(file, out / file.name)


def to_bfloat16(weights: Any, draw: Any) -> Any:
    """float32 rounded to bfloat16, right on average; what is a bfloat16 already stays.

    Args:
        weights: a tensor of float32, of any shape.
        draw: a generator of torch's.
    """
    import torch

    bits = weights.contiguous().view(torch.int32)
    below = torch.randint(0, 1 << 16, bits.shape, generator=draw, dtype=torch.int32)
    return ((bits + below) & -(1 << 16)).view(torch.float32).to(torch.bfloat16)


if __name__ == "__main__":
    merge(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
