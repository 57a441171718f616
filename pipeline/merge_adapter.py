"""Adapter into model: `python -m pipeline.merge_adapter MODEL ADAPTER OUT`, run once by `pipeline.adapters`.

Added in float32 and rounded once to the model's own type; tokenizer and chat template come along as they are.
"""

import shutil
import sys
from pathlib import Path


def merge(model: Path, adapter: Path, out: Path) -> None:
    """Write the model folder `out`: the model's weights with the adapter's added."""
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM

    dtype = AutoConfig.from_pretrained(model).dtype or torch.float32
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    merged.to(dtype).save_pretrained(out)
    for file in model.iterdir():
        if file.suffix in (".json", ".jinja", ".model") and not (out / file.name).exists() and "index" not in file.name:
            shutil.copyfile(file, out / file.name)


if __name__ == "__main__":
    merge(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
