"""What a row of each task costs the pipeline: processor time for asking, checking and writing, all but the engine's.

The scripted engine answers at once, with text that is not what was asked for, so checks fail and most rows ask twice:
more work than with a model. Each task runs in a process of its own, on some rows first, so that what is loaded once, a
detector's language models say, does not count; then on the rows that count, and on the same ones again, whose answers
are all known.

    python benchmarks/row_costs.py --rows 1000
"""

import argparse
import io
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asked import write_inputs
from measure import Figures, in_a_process, report

from jobs.config import JobConfig
from jobs.run import run_job
from jobs.terminal import Terminal

_HERE = Path(__file__).resolve()
_LABELS = str(Path(__file__).parents[1] / "jobs" / "data" / "labels.toml")
_SCHEMA = {"type": "object", "properties": {"product": {"type": "string"}, "quantity": {"type": "integer"}}}
_JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "sentiment": ("sentiment", {}),
    "sentiment, three aspects": ("sentiment", {"aspect_names": ("price", "quality", "delivery")}),
    "sentiment, open aspects": ("sentiment", {"find_aspects": "open"}),
    "classify": ("classify", {"labels": _LABELS}),
    "extract": ("extract", {}),
    "translate": ("translate", {"to": ["es"], "source": "en"}),
    "reply": ("reply", {}),
    "generate": ("generate", {}),
}


def main() -> None:
    """Measure each task and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--job", action="append", choices=list(_JOBS), help="only this one; may be repeated")
    parser.add_argument("--one", choices=list(_JOBS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(_measure(args.one, args.rows)))
        return
    series: dict[str, list[float]] = {}
    for name in args.job or _JOBS:
        for figure, value in in_a_process(_HERE, "--one", name, "--rows", args.rows).items():
            series[f"{name}: {figure}"] = [value]
    report(_HERE, f"Processor time, ms a row, scripted engine, {args.rows} rows", series, rows=args.rows)


def _measure(name: str, num_rows: int) -> Figures:
    task, options = _JOBS[name]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if task == "extract":
            schema = folder / "schema.json"
            schema.write_text(json.dumps(_SCHEMA), encoding="utf-8")
            options = {"json_schema": str(schema)}
        warm_up, file = write_inputs(folder, task, num_rows, num_pairs=1)
        _seconds(folder, warm_up, "warm-up", task, options)
        first, known = (_seconds(folder, file, output, task, options) for output in ("first", "again"))
    return {"first": 1000 * first / num_rows, "known": 1000 * known / num_rows}


def _seconds(folder: Path, file: Path, output: str, task: str, options: dict[str, Any]) -> float:
    paths = {"inputs": (str(file),), "output": str(folder / output), "store": str(folder / "store")}
    columns = {"messages": "text"} if task == "reply" else {}
    config = JobConfig(task=task, engine="scripted", context_tokens=65_536, columns=columns, options=options, **paths)
    started = time.process_time()
    run_job(config, Terminal(io.StringIO()))
    return time.process_time() - started


if __name__ == "__main__":
    main()
