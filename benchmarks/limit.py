"""How near the machine's limit the engine works: its FLOP/s over what a plain matrix product reaches, in one process.

The limit is the best of some large bfloat16 products of torch, measured before and after. Prefill: prompts of random
tokens, one output token each, nothing in the cache. Decode: short prompts, many output tokens, which reads the weights
once a step for all sequences. Counted are two FLOP for each weight of the layers and of the output head (for prompts,
the head only where a token is drawn), and four for each pair of tokens, layer and hidden unit that attention looks at.

    python benchmarks/limit.py --model qwen2.5-0.5b --pairs 5
"""

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asked import add_engine_args, as_flags
from measure import Figures, in_a_process, report

from jobs.settings import parse_engine_args

_HERE = Path(__file__).resolve()
_PROMPT_TOKENS, _OUTPUT_TOKENS = 256, 48
_ON_CPU, _ON_GPU = (64, 64), (2048, 1024)
"""Prompts of a prefill, and sequences of a decode: enough to fill the device."""


def main() -> None:
    """Measure a few times and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--pairs", type=int, default=5)
    add_engine_args(parser)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        print(json.dumps(_measure(args.model, parse_engine_args(args.engine_arg))))
        return
    found = []
    for number in range(args.pairs):
        found.append(in_a_process(_HERE, "--model", args.model, "--once", *as_flags(args.engine_arg)))
        print(f"{number + 1} of {args.pairs}: {json.dumps(found[-1])}", flush=True)
    series = {figure: [one[figure] for one in found] for figure in found[0]}
    report(_HERE, f"GFLOP/s, {args.model}, bfloat16, {args.pairs} processes", series, model=args.model)


@dataclass(frozen=True)
class _Shape:
    """What a model's work depends on."""

    layers: int
    attention_width: int
    layer_weights: int
    head_weights: int

    @classmethod
    def of(cls, folder: Path) -> "_Shape":
        """Of a Llama-like model's folder."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        head = config.get("head_dim") or hidden // heads
        key_value = 2 * hidden * head * config["num_key_value_heads"]
        layer = 2 * hidden * head * heads + key_value + 3 * hidden * config["intermediate_size"]
        layers = config["num_hidden_layers"]
        return cls(layers, head * heads, layers * layer, hidden * config["vocab_size"])

    def flop(self, tokens: int, pairs: int, drawn: int) -> float:
        """For tokens that go through the layers, pairs of tokens in attention, and tokens drawn."""
        weights = 2.0 * self.layer_weights * tokens + 2.0 * self.head_weights * drawn
        return weights + 4.0 * self.layers * self.attention_width * pairs


def _measure(model: str, engine_args: dict[str, Any]) -> Figures:
    from pipeline.engines.base import EngineNeeds
    from pipeline.engines.vllm_settings import make_ready
    from pipeline.models import resolve_model

    folder = resolve_model(model, None, lambda message: None).folder
    if folder is None:
        raise SystemExit(f"{model} has no folder")
    needs = EngineNeeds("limit", 512, str(folder), arguments={"enable_prefix_caching": False, **engine_args})
    arguments = make_ready(needs)
    import torch
    from vllm import LLM, SamplingParams
    from vllm.platforms import current_platform

    device = current_platform.device_type
    num_prompts, num_sequences = _ON_CPU if device == "cpu" else _ON_GPU
    llm = LLM(**arguments)
    shape, draw = _Shape.of(folder), random.Random(0)  # noqa: S311 - not a secret

    def generate(num: int, length: int, new: int) -> float:
        prompts = [{"prompt_token_ids": [draw.randrange(100, 20_000) for _ in range(length)]} for _ in range(num)]
        params = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True, detokenize=False)
        started = time.monotonic()
        llm.generate(prompts, params, use_tqdm=False)
        return time.monotonic() - started

    generate(8, _PROMPT_TOKENS, 2)
    before = _gemm_flops(torch, device)
    prefill = generate(num_prompts, _PROMPT_TOKENS, 1)
    short, long = generate(num_sequences, 16, 1), generate(num_sequences, 16, _OUTPUT_TOKENS + 1)
    peak = max(before, _gemm_flops(torch, device))
    pairs = num_prompts * _PROMPT_TOKENS * (_PROMPT_TOKENS + 1) // 2
    prefill_flops = shape.flop(num_prompts * _PROMPT_TOKENS, pairs, num_prompts) / prefill
    steps = num_sequences * _OUTPUT_TOKENS
    decode_flops = shape.flop(steps, steps * (16 + _OUTPUT_TOKENS // 2), steps) / (long - short)
    return {
        "matrix product": peak / 1e9,
        "prefill": prefill_flops / 1e9,
        "decode": decode_flops / 1e9,
        "prefill over matrix product": prefill_flops / peak,
        "decode over matrix product": decode_flops / peak,
    }


def _gemm_flops(torch: Any, device: str) -> float:
    """The best of some large products, in FLOP/s."""
    best = 0.0
    for size in (1024, 2048, 4096) if device == "cpu" else (4096, 8192):
        one = torch.randn(size, size, device=device).to(torch.bfloat16)
        other = torch.randn(size, size, device=device).to(torch.bfloat16)
        for _ in range(3):
            started = time.monotonic()
            product = one @ other
            float(product[0, 0])  # waits for a device that works by itself
            best = max(best, 2.0 * size**3 / (time.monotonic() - started))
    return best


if __name__ == "__main__":
    main()
