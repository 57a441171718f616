"""How many prompt tokens a job computes over the fewest possible: every shared beginning once.

The fewest possible is the number of nodes of the trie of all prompts' tokens. vLLM's cache knows whole blocks and
always computes the last token, so 1.00 cannot be had; prompts that share a beginning have to reach the engine together,
or it is gone from the cache. Tasks: sentiment alone and with aspects, translation, classification, replies with long
policies in random order.

    python benchmarks/prefix_reuse.py --model qwen2.5-0.5b --rows 100
"""

import argparse
import json
import random
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from asked import requests_of
from corpora import own_rows, unique_reviews
from measure import Figures, in_a_process, report

from jobs.config import JobConfig
from jobs.prepare import prepare
from jobs.run import run_job
from jobs.terminal import own_terminal
from pipeline.tokens import encode_all

_HERE = Path(__file__).resolve()
_ASPECTS = ("battery", "price", "sound", "screen", "delivery", "service", "comfort", "design")
_LABELS = Path(__file__).parents[1] / "jobs" / "data" / "labels.toml"
_JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "sentiment": ("sentiment", {}),
    "one aspect": ("sentiment", {"aspect_names": _ASPECTS[:1]}),
    "eight aspects": ("sentiment", {"aspect_names": _ASPECTS}),
    "translate to two": ("translate", {"to": ["es", "de"], "source": "en", "retry": False}),
    "classify": ("classify", {"labels": str(_LABELS)}),
    "reply, 8 policies": ("reply", {"retry": False}),
}


def main() -> None:
    """Run each job once and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen2.5-0.5b")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--job", action="append", choices=list(_JOBS), help="only this one; may be repeated")
    parser.add_argument("--one", choices=list(_JOBS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(_measure(args.one, args.model, args.rows)))
        return
    series: dict[str, list[float]] = {}
    for name in args.job or _JOBS:
        for figure, value in in_a_process(_HERE, "--one", name, "--model", args.model, "--rows", args.rows).items():
            series[f"{name}: {figure}"] = [value]
        print(f"{name}: {series[f'{name}: computed over fewest'][0]:.3f}", flush=True)
    report(_HERE, f"{args.model}, {args.rows} rows", series, model=args.model, rows=args.rows)


def _measure(name: str, model: str, num_rows: int) -> Figures:
    task, options = _JOBS[name]
    with TemporaryDirectory() as folder, own_terminal(quiet=True) as terminal:
        file = Path(folder) / "in.parquet"
        pq.write_table(_rows(task, num_rows), file)
        paths = {"inputs": (str(file),), "output": f"{folder}/out", "store": f"{folder}/store"}
        config = JobConfig(task=task, model=model, options=options, **paths)
        plan = prepare(config, "reuse", Path(folder), lambda message: None).plan
        encoder = plan.rules.encoder()
        prompts = sorted(encode_all(encoder, request.segments) for request in requests_of(plan))
        tokens = run_job(config, terminal).tokens
    fewest = len(prompts[0]) + sum(len(after) - _common(before, after) for before, after in pairwise(prompts))
    computed = tokens.prompt - tokens.cached_prompt
    return {
        "computed over fewest": computed / fewest,
        "prompt tokens a row": tokens.prompt / num_rows,
        "computed a row": computed / num_rows,
        "fewest a row": fewest / num_rows,
    }


def _common(one: list[int], other: list[int]) -> int:
    """How many tokens two prompts begin with in common."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _rows(task: str, num_rows: int) -> pa.Table:
    if task != "reply":
        return pa.table({"text": unique_reviews(num_rows)})
    clauses = [f"Clause {i}: a return of item {i} within {10 + i} days is refunded in full." for i in range(120)]
    policies = [" ".join(clauses[i * 15 : i * 15 + 15]) for i in range(8)]
    asked = [row["messages"] for row in own_rows("conversations")]
    messages = [[*asked[i % len(asked)], {"role": "customer", "text": f"It is order {i}."}] for i in range(num_rows)]
    drawn = random.Random(0).choices(policies, k=num_rows)  # noqa: S311 - not a secret
    return pa.table({"messages": messages, "policy": drawn})


if __name__ == "__main__":
    main()
