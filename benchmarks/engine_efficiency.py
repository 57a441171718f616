"""How much of the bare engine's speed a job keeps, on the same prompts and settings, in interleaved pairs.

Each pair runs one whole `textmill sentiment` (fresh store) and one bare `LLM.generate` over the prompts it rendered,
in processes of their own, the one first in even pairs and the other in odd ones. The figure is rows/s without engine
start, job over bare. Prints one table; writes `benchmarks/engine_efficiency.json`.

    python benchmarks/engine_efficiency.py --model smollm2-135m --rows 1000 --pairs 3
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from corpora import unique_reviews

_HERE = Path(__file__).resolve()


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--one", choices=list(_SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--reviews", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        with TemporaryDirectory() as folder:
            print(json.dumps(_SIDES[args.one](args, Path(folder))))
        return
    with TemporaryDirectory() as folder:
        args.reviews = _write_unique_reviews(Path(folder), args.rows)
        pairs = []
        for number in range(args.pairs):
            order = list(_SIDES) if number % 2 == 0 else list(reversed(_SIDES))
            pairs.append({side: _in_a_process(side, args) for side in order})
            print(f"pair {number + 1}: " + ", ".join(f"{s} {pairs[-1][s]:.1f} rows/s" for s in _SIDES), file=sys.stderr)
    _report(args, pairs)


def _write_unique_reviews(folder: Path, num_rows: int) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / "reviews.parquet"
    pq.write_table(pa.table({"text": unique_reviews(num_rows)}), file)
    return file


def _in_a_process(side: str, args: argparse.Namespace) -> float:
    command = [sys.executable, str(_HERE), "--one", side, "--model", args.model, "--reviews", str(args.reviews)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _job(args: argparse.Namespace, folder: Path) -> float:
    """Rows/s of the whole job, from the first row read to the last one written, engine start apart."""
    from jobs.config import JobConfig
    from jobs.run import run_job
    from jobs.terminal import own_terminal

    paths = {"inputs": (str(args.reviews),), "output": str(folder / "out"), "store": str(folder / "store")}
    with own_terminal(quiet=True) as terminal:
        manifest = run_job(JobConfig(task="sentiment", model=args.model, **paths), terminal)
    return manifest.counts.rows / (manifest.seconds["pipeline"] - manifest.seconds["engine_start"])


def _bare(args: argparse.Namespace, folder: Path) -> float:
    """Rows/s of one `LLM.generate` over the same token ids."""
    from jobs.config import JobConfig
    from jobs.prepare import prepare
    from pipeline.engines.vllm_engine import engine_arguments, prepare_environment, sampling_params
    from pipeline.requests import Prompter
    from pipeline.rows import read_rows
    from pipeline.tokens import encode_all
    from pipeline.validation import validate_row

    paths = {"inputs": (str(args.reviews),), "output": str(folder / "out"), "store": str(folder / "store")}
    plan = prepare(JobConfig(task="sentiment", model=args.model, **paths), "bare", folder, lambda message: None).plan
    prompter, encoder = Prompter(plan.rules), plan.rules.encoder()
    requests = []
    for part in plan.parts:
        for row in read_rows(part, plan.columns):
            (question,) = plan.task.questions(validate_row(plan.task, row))
            requests.append(prompter.request(question)[0])
    prompts = [{"prompt_token_ids": encode_all(encoder, request.segments)} for request in requests]
    prepare_environment()
    from vllm import LLM

    needs = plan.engine.needs
    llm = LLM(**engine_arguments(needs, on_cpu=True))
    started = time.monotonic()
    outputs = llm.generate(prompts, sampling_params(requests[0].decoding, encoder), use_tqdm=False)
    return len(outputs) / (time.monotonic() - started)


_SIDES = {"job": _job, "bare": _bare}


def _report(args: argparse.Namespace, pairs: list[dict[str, float]]) -> None:
    ratios = [pair["job"] / pair["bare"] for pair in pairs]
    print(f"{args.rows} unique reviews, {args.model}, {args.pairs} interleaved pairs, engine start apart")
    print(f"{'':8}{'median':>10}{'least':>10}{'most':>10}")
    for name, values in [(f"{side} rows/s", [pair[side] for pair in pairs]) for side in _SIDES] + [
        ("job / bare", ratios)
    ]:
        print(f"{name:14}{statistics.median(values):8.2f}{min(values):10.2f}{max(values):10.2f}")
    content = {"model": args.model, "rows": args.rows, "pairs": pairs, "median_ratio": statistics.median(ratios)}
    _HERE.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
