"""How much of the bare engine's speed a job keeps, on the same prompts, decoding and settings, in interleaved pairs.

Two processes with an engine each, which is started once, take turns: one runs whole jobs (a fresh store, one try for
each answer), the other one bare `LLM.generate` over the prompts that such a job renders. Every pair has rows of its
own, all different; generation is asked for texts of very different lengths. The figure is requests/s from the first row
read to the last one written, job over bare; what it takes to start and to end an engine is in neither.

    python benchmarks/engine_efficiency.py --model smollm2-135m --task sentiment --rows 1000 --pairs 10
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asked import as_flags, job, job_config, parser_of, report_pairs, requests_of, take_turns
from measure import Figures, answering

_HERE = Path(__file__).resolve()
_CONTEXT_TOKENS = 2048
"""At most; an engine takes what the longest text needs, which is among the first rows."""


def main() -> None:
    """Let the sides take turns and print the table."""
    args = parser_of(__doc__, list(_SIDES), num_rows=1000, num_pairs=10).parse_args()
    if args.one:
        _answer(_SIDES[args.one](args))
        return
    same = ("--model", args.model, "--task", args.task, *as_flags(args.engine_arg))
    with ExitStack() as stack:
        ask = {side: stack.enter_context(answering(_HERE, "--one", side, *same)) for side in _SIDES}
        pairs = take_turns(args, ask)
    report_pairs(_HERE, args, pairs, "engines kept", {})


def _answer(measure: Callable[[Path, Path], Figures]) -> None:
    """Measure on each input that is named on a line of standard input."""
    for line in sys.stdin:
        with TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(line.strip()), Path(folder))), flush=True)


def _job_side(args: argparse.Namespace) -> Callable[[Path, Path], Figures]:
    """Whole jobs, on an engine that stays from one to the next."""
    from pipeline.engines.vllm_engine import VllmEngine, VllmSpec

    engines: list[Any] = []

    def open_once(spec: VllmSpec) -> Any:
        if not engines:
            engines.append(VllmEngine(spec.needs))
        engines[0]._needs = spec.needs  # the run's name is another every time
        return engines[0]

    for patched, name, value in ((VllmSpec, "open", open_once), (VllmEngine, "close", lambda engine: None)):
        setattr(patched, name, value)
    return partial(_job, args)


def _job(args: argparse.Namespace, file: Path, folder: Path) -> Figures:
    args.input = file
    return job(args, folder, context_tokens=_CONTEXT_TOKENS)


def _bare_side(args: argparse.Namespace) -> Callable[[Path, Path], Figures]:
    """One `LLM.generate` over the same prompts, which are tokenised in that time: constants once, as in a job."""
    from jobs.prepare import prepare
    from pipeline.engines.vllm_engine import sampling_params
    from pipeline.engines.vllm_settings import make_ready
    from pipeline.tokens import encode_all

    engines: list[Any] = []

    def measure(file: Path, folder: Path) -> Figures:
        args.input = file
        config = job_config(args, folder, context_tokens=_CONTEXT_TOKENS)
        plan = prepare(config, "bare", folder, lambda message: None).plan
        requests = requests_of(plan)
        encoder: Any = plan.rules.encoder()
        arguments = make_ready(plan.engine.needs)
        from vllm import LLM

        if not engines:
            engines.append(LLM(**arguments))
        params = {r.decoding: sampling_params(r.decoding, encoder) for r in requests}
        started = time.monotonic()
        prompts = [{"prompt_token_ids": encode_all(encoder, request.segments)} for request in requests]
        outputs = engines[0].generate(prompts, [params[r.decoding] for r in requests], use_tqdm=False)
        return {"requests_per_second": len(outputs) / (time.monotonic() - started)}

    return measure


_SIDES: dict[str, Callable[[argparse.Namespace], Callable[[Path, Path], Figures]]] = {
    "job": _job_side,
    "bare": _bare_side,
}


if __name__ == "__main__":
    main()
