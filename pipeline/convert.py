"""GGUF to safetensors: `python -m pipeline.convert FOLDER FILE OUT`, run once per catalogue model by `pipeline.models`.

The 4-bit weights are expanded to bfloat16, which vLLM loads like any Hugging Face model; tokenizer and chat template
come along.
"""

import sys
from pathlib import Path


def convert(folder: Path, file: str, out: Path) -> None:
    """Expand the GGUF file in `folder` into the model folder `out`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.to(torch.bfloat16).save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, gguf_file=file).save_pretrained(out)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
