"""How much of the bare engine's speed a job keeps, on the same prompts, decoding and settings, in interleaved pairs.

Each pair runs one whole job (fresh store, one try for each answer) and one bare `LLM.generate` over the prompts that it
rendered. The figure is requests/s without engine start, job over bare; to shut the engine down, a second in which vLLM
collects garbage, is part of both. The texts are unique; generation is asked for texts of very different lengths.

    python benchmarks/engine_efficiency.py --model smollm2-135m --task sentiment --rows 1000 --pairs 5
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asked import TASK_OPTIONS, requests_of, write_input
from measure import Figures, in_a_process, interleaved, report

_HERE = Path(__file__).resolve()


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="sentiment", choices=list(TASK_OPTIONS))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--one", choices=list(_SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        if args.one:
            print(json.dumps(_SIDES[args.one](args, Path(folder))))
            return
        file = write_input(Path(folder) / "in.parquet", args.task, args.rows)
        same = ("--model", args.model, "--task", args.task, "--input", file)
        pairs = interleaved(list(_SIDES), args.pairs, lambda side: in_a_process(_HERE, "--one", side, *same))
    series = {f"{side} requests/s": [pair[side]["requests_per_second"] for pair in pairs] for side in _SIDES}
    job, bare = series.values()
    series["job / bare"] = [one / other for one, other in zip(job, bare, strict=True)]
    title = f"{args.task}, {args.model}, {args.rows} unique rows, {args.pairs} interleaved pairs, engine start apart"
    report(_HERE, title, series, model=args.model, task=args.task, rows=args.rows)


def _config(args: argparse.Namespace, folder: Path) -> Any:
    from jobs.config import JobConfig

    return JobConfig(
        task=args.task,
        model=args.model,
        inputs=(str(args.input),),
        output=str(folder / "out"),
        store=str(folder / "store"),
        options=TASK_OPTIONS[args.task],
    )


def _job(args: argparse.Namespace, folder: Path) -> Figures:
    """From the first row read to the last one written, engine start apart."""
    from jobs.run import run_job
    from jobs.terminal import own_terminal

    with own_terminal(quiet=True) as terminal:
        manifest = run_job(_config(args, folder), terminal)
    seconds = manifest.seconds["pipeline"] - manifest.seconds["engine_start"]
    return {"requests_per_second": manifest.counts.sent / seconds, "engine_seconds": manifest.seconds["engine"]}


def _bare(args: argparse.Namespace, folder: Path) -> Figures:
    """One `LLM.generate` over the same token ids."""
    from jobs.prepare import prepare
    from pipeline.engines.vllm_engine import (
        compile_as_asked,
        engine_arguments,
        prepare_environment,
        sampling_params,
    )
    from pipeline.tokens import encode_all

    plan = prepare(_config(args, folder), "bare", folder, lambda message: None).plan
    requests, encoder = requests_of(plan), plan.rules.encoder()
    prompts = [{"prompt_token_ids": encode_all(encoder, request.segments)} for request in requests]
    prepare_environment()
    from vllm import LLM

    arguments = engine_arguments(plan.engine.needs, on_cpu=True)
    compile_as_asked(arguments, on_cpu=True)
    llm = LLM(**arguments)
    params = {r.decoding: sampling_params(r.decoding, encoder) for r in requests}
    started = time.monotonic()
    outputs = llm.generate(prompts, [params[r.decoding] for r in requests], use_tqdm=False)
    llm.llm_engine.engine_core.shutdown()
    return {"requests_per_second": len(outputs) / (time.monotonic() - started)}


_SIDES = {"job": _job, "bare": _bare}


if __name__ == "__main__":
    main()
