"""From command to result for one row: a job, beside a bare program that builds an engine and asks it once.

python benchmarks/cold_start.py --model smollm2-135m --pairs 5
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from measure import Figures, interleaved, report

_HERE = Path(__file__).resolve()
_TEXT = "Sturdy, light, and the battery lasts all day."
_COMMAND = [sys.executable, "-m", "jobs.cli"]


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        _ask_once(args.bare)
        return
    with TemporaryDirectory() as folder:
        pairs = interleaved(["job", "bare"], args.pairs, lambda side: _measure(side, args.model, Path(folder)))
    series = {f"{side} seconds": [pair[side]["seconds"] for pair in pairs] for side in ("job", "bare")}
    job, bare = series.values()
    series["job over bare"] = [one / other for one, other in zip(job, bare, strict=True)]
    report(_HERE, f"One row, {args.model}, {args.pairs} interleaved pairs", series, model=args.model)


def _measure(side: str, model: str, folder: Path) -> Figures:
    with TemporaryDirectory(dir=folder) as fresh:
        file = Path(fresh) / "in.parquet"
        pq.write_table(pa.table({"text": [_TEXT]}), file)
        if side == "job":
            flags = ["--model", model, "--store", f"{fresh}/store"]
            command = [*_COMMAND, "sentiment", str(file), f"{fresh}/out", *flags]
        else:
            command = [sys.executable, str(_HERE), "--bare", model]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        if done.returncode:
            raise SystemExit(done.stderr)
    return {"seconds": seconds}


def _ask_once(model: str) -> None:
    """The same engine, with the same settings, and nothing else; the prompt is as long as the job's."""
    from pipeline.engines.base import EngineNeeds
    from pipeline.engines.vllm_settings import engine_arguments, prepare_environment
    from pipeline.models import resolve_model

    folder = str(resolve_model(model, None, lambda message: None).folder)
    prepare_environment()
    from vllm import LLM, SamplingParams
    from vllm.platforms import current_platform

    needs = EngineNeeds(run_id="bare", context_tokens=1024, model_folder=folder)
    llm = LLM(**engine_arguments(needs, on_cpu=current_platform.is_cpu()))
    (answer,) = llm.generate([_TEXT * 4], SamplingParams(temperature=0, max_tokens=1), use_tqdm=False)
    print(json.dumps(answer.outputs[0].text))


if __name__ == "__main__":
    main()
