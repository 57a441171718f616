"""Whether a forecast comes true: a first run, `textmill plan` for other rows, and the run of these.

Three jobs, each in an own store and each step in a process of its own: sentiment, classification and translation. Shown
are both sides of tokens in and out and of the whole run's seconds, with the interval that the plan gave.

    python benchmarks/forecast.py
    python benchmarks/forecast.py --job translate
"""

import argparse
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from corpora import parallel_sentences, unique_reviews
from measure import Figures, in_a_process

from jobs.config import JobConfig
from jobs.forecasting.figures import NOTHING, Prices
from jobs.forecasting.forecast import forecast
from jobs.run import run_job
from jobs.terminal import own_terminal

_HERE = Path(__file__).resolve()
_LABELS = Path(__file__).parents[1] / "jobs" / "data" / "labels.toml"
_FIGURES = ("requests", "tokens in", "tokens out", "tokens", "seconds")


@dataclass(frozen=True)
class _Job:
    """A task, its model and options, and the rows of the first run and of the one that is planned."""

    model: str
    first_rows: int
    rows: int
    options: dict[str, Any] = field(default_factory=dict)


_JOBS = {
    "sentiment": _Job("smollm2-135m", 500, 2000),
    "classify": _Job("qwen2.5-0.5b", 200, 500, {"labels": str(_LABELS)}),
    "translate": _Job("qwen2.5-0.5b", 60, 60, {"to": ["es"]}),
}


def main() -> None:
    """Run each job and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", action="append", choices=list(_JOBS), help="only this one; may be repeated")
    parser.add_argument("--act", choices=["run", "plan"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--input", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.act:
        act = _run if args.act == "run" else _plan
        print(json.dumps(act(args.job[0], args.folder, args.input)))
        return
    found = {name: _foretold(name) for name in args.job or _JOBS}
    _HERE.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _foretold(name: str) -> dict[str, Figures]:
    job = _JOBS[name]
    with TemporaryDirectory() as folder:
        texts = _texts(name, job.first_rows + job.rows)
        for file, rows in (("first", texts[: job.first_rows]), ("then", texts[job.first_rows :])):
            pq.write_table(pa.table({"text": rows}), f"{folder}/{file}.parquet")
        steps = (("run", "first"), ("plan", "then"), ("run", "then"))
        _, planned, happened = (
            in_a_process(_HERE, "--act", act, "--folder", folder, "--input", file, "--job", name) for act, file in steps
        )
    load = f"load {os.getloadavg()[1]:.1f} of {os.cpu_count()} cores"
    print(f"{name}, {job.model}: {job.first_rows} rows, then {job.rows} others; {load}")
    print(f"{'':12}{'forecast':>12}{'from':>12}{'to':>12}{'happened':>12}{'off by':>9}")
    for figure in _FIGURES:
        value, low, high = planned[figure], planned[f"{figure}, low"], planned[f"{figure}, high"]
        off = value / happened[figure] - 1
        print(f"{figure:12}{value:12,.1f}{low:12,.1f}{high:12,.1f}{happened[figure]:12,.1f}{off:9.1%}", flush=True)
    return {"forecast": planned, "happened": happened}


def _texts(name: str, num_rows: int) -> list[str]:
    """Real ones, in an order that was drawn once."""
    if name == "translate":
        return [sentence["en"] for sentence in parallel_sentences(["es"], num_rows)]
    texts = unique_reviews(num_rows)
    random.Random(0).shuffle(texts)  # noqa: S311 - not a secret
    return texts


def _config(name: str, folder: Path, file: str) -> JobConfig:
    job = _JOBS[name]
    paths = {"inputs": (f"{folder}/{file}.parquet",), "output": f"{folder}/{file}", "store": f"{folder}/store"}
    return JobConfig(task=name, model=job.model, options=job.options, **paths)


def _run(name: str, folder: Path, file: str) -> Figures:
    with own_terminal(quiet=True) as terminal:
        manifest = run_job(_config(name, folder, file), terminal)
    tokens = manifest.tokens
    figures = (manifest.counts.sent, tokens.prompt, tokens.output, tokens.prompt + tokens.output)
    return dict(zip(_FIGURES, map(float, (*figures, manifest.seconds["total"])), strict=True))


def _plan(name: str, folder: Path, file: str) -> Figures:
    found = forecast(_config(name, folder, file), Prices(), lambda message: None)
    prompt, output = found.prompt_tokens, found.output_tokens or NOTHING
    ranges = zip(_FIGURES, (found.sent, prompt, output, prompt.plus(output), found.seconds or NOTHING), strict=True)
    figures: Figures = {}
    for figure, of in ranges:
        figures |= {figure: of.value, f"{figure}, low": of.low, f"{figure}, high": of.high}
    return figures


if __name__ == "__main__":
    main()
