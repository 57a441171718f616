"""How much of the bare engine's speed a job keeps, on the same prompts, decoding and settings, in interleaved pairs.

Each pair runs one whole job (fresh store, one try for each answer) and one bare `LLM.generate` over the prompts that it
rendered. The figure is requests/s without engine start, job over bare. The texts are unique; generation is asked for
texts of very different lengths.

    python benchmarks/engine_efficiency.py --model smollm2-135m --task sentiment --rows 1000 --pairs 5
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from corpora import own_rows, unique_reviews
from measure import Figures, in_a_process, interleaved, report

_HERE = Path(__file__).resolve()
_OPTIONS: dict[str, dict[str, Any]] = {
    "sentiment": {},
    "translate": {"to": ["es"], "source": "en", "retry": False},
    "generate": {"retry": False, "temperature": 0.0},
}


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="sentiment", choices=list(_OPTIONS))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--one", choices=list(_SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        if args.one:
            print(json.dumps(_SIDES[args.one](args, Path(folder))))
            return
        file = _write_input(Path(folder), args.task, args.rows)
        same = ("--model", args.model, "--task", args.task, "--input", file)
        pairs = interleaved(list(_SIDES), args.pairs, lambda side: in_a_process(_HERE, "--one", side, *same))
    series = {f"{side} requests/s": [pair[side]["requests_per_second"] for pair in pairs] for side in _SIDES}
    job, bare = series.values()
    series["job / bare"] = [one / other for one, other in zip(job, bare, strict=True)]
    title = f"{args.task}, {args.model}, {args.rows} unique rows, {args.pairs} interleaved pairs, engine start apart"
    report(_HERE, title, series, model=args.model, task=args.task, rows=args.rows)


def _write_input(folder: Path, task: str, num_rows: int) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / "in.parquet"
    if task == "generate":
        briefs = own_rows("briefs")
        rows = [
            {**brief, "topic": f"{brief['topic']} ({i // len(briefs) + 1})"}
            for i, brief in enumerate(briefs * -(-num_rows // len(briefs)))
        ]
        pq.write_table(pa.Table.from_pylist(rows[:num_rows]), file)
    else:
        pq.write_table(pa.table({"text": unique_reviews(num_rows)}), file)
    return file


def _config(args: argparse.Namespace, folder: Path) -> Any:
    from jobs.config import JobConfig

    return JobConfig(
        task=args.task,
        model=args.model,
        inputs=(str(args.input),),
        output=str(folder / "out"),
        store=str(folder / "store"),
        options=_OPTIONS[args.task],
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
    from pipeline.engines.vllm_engine import engine_arguments, prepare_environment, sampling_params
    from pipeline.requests import Prompter
    from pipeline.rows import read_rows
    from pipeline.tokens import encode_all
    from pipeline.validation import validate_row

    plan = prepare(_config(args, folder), "bare", folder, lambda message: None).plan
    prompter, encoder = Prompter(plan.rules), plan.rules.encoder()
    requests = {}
    for part in plan.parts:
        for row in read_rows(part, plan.columns):
            for question in plan.task.questions(validate_row(plan.task, row)):
                request, _ = prompter.request(question)
                requests[request.fingerprint] = request
    prompts = [{"prompt_token_ids": encode_all(encoder, request.segments)} for request in requests.values()]
    prepare_environment()
    from vllm import LLM

    llm = LLM(**engine_arguments(plan.engine.needs, on_cpu=True))
    params = {r.decoding: sampling_params(r.decoding, encoder) for r in requests.values()}
    started = time.monotonic()
    outputs = llm.generate(prompts, [params[r.decoding] for r in requests.values()], use_tqdm=False)
    return {"requests_per_second": len(outputs) / (time.monotonic() - started)}


_SIDES = {"job": _job, "bare": _bare}


if __name__ == "__main__":
    main()
