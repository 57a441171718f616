"""What it costs that the engine puts adapters on as it answers: requests/s beside those of a model with one merged in.

Two adapters of random weights, rank 16 on all linear layers as `textmill finetune` makes them. Sides: `merged`; `one`,
all rows of the same adapter; `mixed`, a third each of the two and of none; and with `--upstream` `one` as vLLM itself
does it on a CPU. Unique reviews, prompts without examples, engine start and a warm-up apart. Seconds are those of the
processor, for other processes' work counts in the clock's: give one thread (OMP_NUM_THREADS=1), or waiting ones count.

    OMP_NUM_THREADS=1 python benchmarks/row_adapters.py --rows 200 --pairs 3
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from corpora import unique_reviews
from measure import Figures, in_a_process, interleaved, report

from pipeline.adapters import adapter_digest
from pipeline.decoding import Choice
from pipeline.elements import Request
from pipeline.engines.base import AdapterFiles, EngineNeeds
from pipeline.prompts import Text

_HERE = Path(__file__).resolve()
_LABELS = Choice(("positive", "neutral", "negative"), (" positive", " neutral", " negative"))
_SIDES: dict[str, Sequence[str | None]] = {"merged": (None,), "one": ("a",), "mixed": ("a", "b", None)}
_WARM_UP = 16


def main() -> None:
    """Measure a few times and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--upstream", action="store_true", help="measure vLLM's own way, too; it is slow")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(_measure(args)))
        return
    with TemporaryDirectory() as folder:
        same = ("--model", args.model, "--rows", args.rows, "--folder", folder)
        in_a_process(_HERE, "--one", "adapters", *same)
        sides = [*_SIDES, *(["upstream"] if args.upstream else [])]
        pairs = interleaved(sides, args.pairs, lambda side: in_a_process(_HERE, "--one", side, *same))
    series = {side: [pair[side]["requests_per_second"] for pair in pairs] for side in sides}
    series |= {
        f"{side} / merged": [a / b for a, b in zip(series[side], series["merged"], strict=True)] for side in sides[1:]
    }
    report(_HERE, f"requests per processor second, {args.model}, {args.rows} rows", series, model=args.model)


def _measure(args: argparse.Namespace) -> Figures:
    from pipeline.engines.vllm_engine import VllmSpec
    from pipeline.models import resolve_model

    base = resolve_model(args.model, None, lambda message: None).folder
    if base is None:
        raise SystemExit(f"{args.model} has no folder")
    if args.one == "adapters":
        return _make_adapters(base, args.folder)
    if args.one == "upstream":
        from pipeline.engines import cpu_lora

        cpu_lora.serve_masked = lambda: None
    is_merged = args.one == "merged"
    adapters = {} if is_merged else {name: _files(args.folder / name) for name in "ab"}
    engine = VllmSpec(
        EngineNeeds("-", 1024, str(args.folder / "merged" if is_merged else base), adapters=adapters)
    ).open()
    of = _SIDES.get(args.one, ("a",))
    requests = [
        Request(i.to_bytes(16, "big"), ("Review: ", Text(text), "\nSentiment:"), _LABELS, of[i % len(of)])
        for i, text in enumerate(unique_reviews(args.rows + _WARM_UP))
    ]

    def seconds(some: Sequence[Request]) -> float:
        started = time.process_time()
        for request in some:
            engine.submit(request)
        while engine.in_flight:
            engine.collect()
        return time.process_time() - started

    seconds(requests[:_WARM_UP])
    taken = seconds(requests[_WARM_UP:])
    engine.close()
    return {"requests_per_second": args.rows / taken}


def _files(folder: Path) -> AdapterFiles:
    return AdapterFiles(str(folder), adapter_digest(folder))


def _make_adapters(base: Path, folder: Path) -> Figures:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from pipeline.merge_adapter import merge

    for name in "ab":
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        adapted = get_peft_model(model, lora)
        for key, weights in adapted.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(weights, std=0.03)
        adapted.save_pretrained(folder / name)
    merge(base, folder / "a", folder / "merged")
    return {}


if __name__ == "__main__":
    main()
