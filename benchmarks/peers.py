"""Textmill beside what else people use for the same job: same rows, same model, same prompts, interleaved.

Sides: `textmill`; `beam`, Beam's RunInference with its own vLLM handler as it comes; `beam_tuned`, the same with our
engine settings, of which a GPU has none; `run_batch`, vLLM's `run-batch` on a file of requests; `naive`, a loop of
`LLM.generate` over batches of 32; `json`, one bare `LLM.generate` that asks for the label as JSON instead of scoring
labels; `ray`, Ray Data LLM, where `RAY_PYTHON` names the Python of an environment with Ray and this vLLM. Each runs in
a process of its own. Two figures: rows/s with the start of the engine apart (where a side can tell), and seconds from
command to result, all included. Servers that Beam's handler leaves behind are killed before the next side starts.

    python benchmarks/peers.py --model smollm2-135m --task sentiment --rows 500 --pairs 5
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asked import TASK_OPTIONS, add_engine_args, as_flags, questions_of, write_input
from measure import Figures, in_a_process, interleaved, report

from pipeline.gpus import visible_gpus

_HERE = Path(__file__).resolve()
_BATCH = 32
_TUNED_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str((1 << 31) - 1),
}
_TUNED_SETTINGS = {"block-size": "32", "max-num-seqs": "128", "dtype": "bfloat16", "enforce-eager": None}
_LABELS = {"type": "string", "enum": ["positive", "neutral", "negative", "mixed"]}
_JSON_LABEL = {
    "type": "object",
    "properties": {"label": _LABELS},
    "required": ["label"],
    "additionalProperties": False,
}


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="sentiment", choices=["sentiment", "generate"])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=5)
    add_engine_args(parser)
    parser.add_argument("--side", action="append", choices=list(_SIDES), help="only these; may be repeated")
    parser.add_argument("--one", choices=list(_SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        if args.one:
            print(json.dumps(_SIDES[args.one](_Work(args, Path(name)))))
            return
        sides = list(dict.fromkeys(["textmill", *(args.side or _SIDES)]))
        if args.task == "generate" and "json" in sides:
            sides.remove("json")
        file = write_input(Path(name) / "in.parquet", args.task, args.rows)
        same: tuple[object, ...] = ("--model", args.model, "--task", args.task, "--input", file, "--rows", args.rows)
        same += tuple(as_flags(args.engine_arg))
        pairs = interleaved(sides, args.pairs, lambda side: _measure(side, same))
    series: dict[str, list[float]] = {}
    for figure in ("rows/s", "seconds"):
        ours = [pair["textmill"][figure] for pair in pairs if figure in pair["textmill"]]
        for side in sides:
            if theirs := [pair[side][figure] for pair in pairs if figure in pair[side]]:
                series[f"{side}: {figure}"] = theirs
                if side != "textmill":
                    ratios = zip(ours, theirs, strict=True)
                    better = [a / b if figure == "rows/s" else b / a for a, b in ratios]
                    series[f"{side}: times as good is textmill in {figure}"] = better
    title = (
        f"{args.task}, {args.model}, {args.rows} rows, {args.pairs} interleaved pairs; seconds from command to result"
    )
    report(_HERE, title, series, model=args.model, task=args.task, rows=args.rows)


def _measure(side: str, same: tuple[object, ...]) -> Figures:
    started = time.monotonic()
    figures = in_a_process(_HERE, "--one", side, *same)
    return {**figures, "seconds": time.monotonic() - started}


class _Work:
    """What every side works on: the rows as Textmill renders them, all in the chat form, which all sides know."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        from jobs.config import JobConfig
        from jobs.settings import parse_engine_args

        self.engine_args = parse_engine_args(args.engine_arg)
        self.task, self.folder, self.num_rows = args.task, folder, args.rows
        self.config = JobConfig(
            task=args.task,
            model=args.model,
            inputs=(str(args.input),),
            output=str(folder / "out"),
            store=str(folder / "store"),
            prompt_form="chat",
            options=TASK_OPTIONS[args.task],
            engine_args=self.engine_args,
        )

    def engine_flags(self) -> dict[str, str]:
        """What `--engine-arg` asks for, as vLLM's server has it."""
        return {name.replace("_", "-"): str(value) for name, value in self.engine_args.items()}

    def plan(self) -> Any:
        """The plan of the job."""
        from jobs.prepare import prepare

        return prepare(self.config, "peer", self.folder, lambda message: None).plan

    def bodies(self, plan: Any) -> Iterator[tuple[Any, str, dict[str, Any]]]:
        """For each row: the question, the rendered prompt, and how to decode, as the OpenAI API of vLLM has it."""
        from pipeline.decoding import Choice, FreeText, Json
        from pipeline.engines.vllm_engine import LOOP, label_ids
        from pipeline.prompts import readable

        renderer, encoder = plan.rules.renderer(), plan.rules.encoder()
        for question in questions_of(plan):
            decoding = question.decoding
            extra: dict[str, Any] = {"temperature": 0, "max_tokens": decoding.max_tokens}
            match decoding:
                case Choice():
                    extra["allowed_token_ids"] = label_ids(decoding, encoder)
                case Json():
                    extra["structured_outputs"] = {"json": json.loads(decoding.schema)}
                    extra |= {"repetition_detection": LOOP} if decoding.ends_loops else {}
                case FreeText():
                    raise SystemExit(f"{self.task} asks for plain text, which the peers are not asked for here")
            yield question, readable(renderer.render(question.prompt, thinking=False)), extra


def _textmill(work: _Work) -> Figures:
    from jobs.run import run_job
    from jobs.terminal import own_terminal

    with own_terminal(quiet=True) as terminal:
        manifest = run_job(work.config, terminal)
    return {"rows/s": manifest.counts.rows / (manifest.seconds["pipeline"] - manifest.seconds["engine_start"])}


def _bare(work: _Work, make_decoding: Callable[[Any], Any], batch: int) -> Figures:
    """`LLM.generate` over batches of token ids, each waited for."""
    from pipeline.engines.vllm_engine import sampling_params
    from pipeline.engines.vllm_settings import make_ready
    from pipeline.tokens import encode_all

    plan = work.plan()
    renderer, encoder = plan.rules.renderer(), plan.rules.encoder()
    asked = [
        (encode_all(encoder, renderer.render(question.prompt, thinking=False)), make_decoding(question))
        for question in questions_of(plan)
    ]
    arguments = make_ready(plan.engine.needs)
    from vllm import LLM

    llm = LLM(**arguments)
    params = {decoding: sampling_params(decoding, encoder) for _, decoding in asked}
    started = time.monotonic()
    for i in range(0, len(asked), batch):
        those = asked[i : i + batch]
        prompts = [{"prompt_token_ids": ids} for ids, _ in those]
        llm.generate(prompts, [params[decoding] for _, decoding in those], use_tqdm=False)
    return {"rows/s": len(asked) / (time.monotonic() - started)}


def _naive(work: _Work) -> Figures:
    return _bare(work, lambda question: question.decoding, _BATCH)


def _json(work: _Work) -> Figures:
    from pipeline.decoding import Json

    decoding = Json(json.dumps(_JSON_LABEL), 24)
    return _bare(work, lambda question: decoding, work.num_rows)


def _beam(work: _Work, tuned: bool) -> Figures:
    import apache_beam as beam
    from apache_beam.ml.inference.base import RunInference
    from apache_beam.ml.inference.vllm_inference import VLLMCompletionsModelHandler
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    plan = work.plan()
    asked = [(prompt, extra) for _, prompt, extra in work.bodies(plan)]
    settings: dict[str, str | None] = {"max-model-len": str(plan.engine.needs.context_tokens), **work.engine_flags()}
    if tuned:
        os.environ.update(_TUNED_ENVIRONMENT)
        settings |= _TUNED_SETTINGS
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    handler = VLLMCompletionsModelHandler(plan.engine.needs.model_folder, settings)
    # One set of arguments for all rows is what RunInference has: the longest answer, and the schema of the first.
    extra = {**asked[0][1], "max_tokens": max(extra["max_tokens"] for _, extra in asked)}
    own = {name: extra.pop(name) for name in ("temperature", "max_tokens")}
    started = time.monotonic()
    with _leaving_no_servers():
        pipeline = beam.Pipeline(runner=FnApiRunner())
        infer = RunInference(handler, inference_args={**own, "extra_body": extra})
        _ = pipeline | beam.Create([prompt for prompt, _ in asked]) | infer | beam.Map(lambda result: result.inference)
        result = pipeline.run()
        result.wait_until_finish()
        seconds = time.monotonic() - started
    loads = [
        d.committed.max for d in result.metrics().query()["distributions"] if "load_model_latency" in d.key.metric.name
    ]
    return {"rows/s": len(asked) / (seconds - max(loads) / 1000), "engine start": max(loads) / 1000}


@contextmanager
def _leaving_no_servers() -> Iterator[None]:
    import psutil

    try:
        yield
    finally:
        for process in psutil.Process().children(recursive=True):
            process.kill()


def _run_batch(work: _Work) -> Figures:
    """Chat requests from a file, through the command line; it does not say how long its engine took to start."""
    plan = work.plan()
    lines = []
    for i, (question, _, extra) in enumerate(work.bodies(plan)):
        messages = [
            {"role": m.role, "content": "".join(part if isinstance(part, str) else part.value for part in m.content)}
            for m in question.prompt.messages
        ]
        body = {"model": plan.engine.needs.model_folder, "messages": messages, **extra}
        lines.append(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body}))
    requests, answers = work.folder / "requests.jsonl", work.folder / "answers.jsonl"
    requests.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "vllm.entrypoints.openai.run_batch", "-i", str(requests), "-o", str(answers)]
    command += ["--model", plan.engine.needs.model_folder, "--max-model-len", str(plan.engine.needs.context_tokens)]
    command += [f"--{name}={value}" for name, value in work.engine_flags().items()]
    with _leaving_no_servers():
        environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "2"}
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"run-batch: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    failed = [line for line in answers.read_text(encoding="utf-8").splitlines() if json.loads(line).get("error")]
    if failed or len(lines) != work.num_rows:
        raise SystemExit(f"run-batch failed {len(failed)} of {len(lines)} requests: {failed[:1]}")
    return {}


def _ray(work: _Work) -> Figures:
    """Ray Data LLM, by the Python of `RAY_PYTHON`, which has Ray and finds the vLLM of this environment."""
    plan = work.plan()
    lines = [json.dumps({"prompt": prompt, "sampling_params": extra}) for _, prompt, extra in work.bodies(plan)]
    requests = work.folder / "requests.jsonl"
    requests.write_text("\n".join(lines) + "\n", encoding="utf-8")
    needs = plan.engine.needs
    command = [os.environ["RAY_PYTHON"], str(_HERE.with_name("ray_peer.py")), str(requests), needs.model_folder]
    with _leaving_no_servers():
        environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1"}
        command.append(str(needs.context_tokens))
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"Ray: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["rows"] != work.num_rows:
        raise SystemExit(f"Ray answered {found['rows']} of {work.num_rows} rows")
    return {"seconds of the pass": found["seconds of the pass"]}


_SIDES: dict[str, Callable[[_Work], Figures]] = {
    "textmill": _textmill,
    "beam": lambda work: _beam(work, tuned=False),
    **({} if visible_gpus() else {"beam_tuned": lambda work: _beam(work, tuned=True)}),
    "run_batch": _run_batch,
    "naive": _naive,
    "json": _json,
    **({"ray": _ray} if "RAY_PYTHON" in os.environ else {}),
}


if __name__ == "__main__":
    main()
