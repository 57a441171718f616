"""How much of the bare engine's speed a job keeps, on the same prompts, decoding and settings, in interleaved pairs.

Each pair runs one whole job (fresh store, one try for each answer) and one bare `LLM.generate` over the prompts that it
rendered. The figure is requests/s without engine start, job over bare; to shut the engine down, a second in which vLLM
collects garbage, is part of both. The texts are unique; generation is asked for texts of very different lengths.

    python benchmarks/engine_efficiency.py --model smollm2-135m --task sentiment --rows 1000 --pairs 5
"""

import argparse
import time
from pathlib import Path

from asked import compare, job, job_config, requests_of
from measure import Figures


def _bare(args: argparse.Namespace, folder: Path) -> Figures:
    """One `LLM.generate` over the same token ids."""
    from jobs.prepare import prepare
    from pipeline.engines.vllm_engine import sampling_params
    from pipeline.engines.vllm_settings import make_ready
    from pipeline.tokens import encode_all

    plan = prepare(job_config(args, folder), "bare", folder, lambda message: None).plan
    requests, encoder = requests_of(plan), plan.rules.encoder()
    prompts = [{"prompt_token_ids": encode_all(encoder, request.segments)} for request in requests]
    arguments = make_ready(plan.engine.needs)
    from vllm import LLM

    llm = LLM(**arguments)
    params = {r.decoding: sampling_params(r.decoding, encoder) for r in requests}
    started = time.monotonic()
    outputs = llm.generate(prompts, [params[r.decoding] for r in requests], use_tqdm=False)
    llm.llm_engine.engine_core.shutdown()
    return {"requests_per_second": len(outputs) / (time.monotonic() - started)}


_SIDES = {"job": job, "bare": _bare}


if __name__ == "__main__":
    compare(Path(__file__).resolve(), __doc__, _SIDES, num_rows=1000, num_pairs=5)
