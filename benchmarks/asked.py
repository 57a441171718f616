"""What a job asks, by itself or as its questions and requests, for sides that ask an engine by themselves."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from corpora import own_rows, unique_reviews
from measure import Figures, in_a_process, interleaved, report

from pipeline.elements import Question, Request
from pipeline.flow import Plan
from pipeline.requests import Prompter
from pipeline.rows import read_rows
from pipeline.validation import validate_row

TASK_OPTIONS: dict[str, dict[str, Any]] = {
    "sentiment": {},
    "translate": {"to": ["es"], "source": "en", "retry": False},
    "generate": {"retry": False, "temperature": 0.0},
}
"""One try for each answer, so that a job asks just what a bare engine is asked."""
_WARM_UP = 64


def write_input(file: Path, task: str, num_rows: int) -> Path:
    """Rows for a task, all different: reviews, or briefs that ask for texts of very different lengths."""
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


def write_inputs(folder: Path, task: str, num_rows: int, num_pairs: int) -> list[Path]:
    """A few rows to warm up with, the longest first, then the rows of each pair: all are different.

    Raises:
        SystemExit: if there are not so many.
    """
    rows = pq.read_table(write_input(folder / "all.parquet", task, _WARM_UP + num_rows * num_pairs))
    longest = max(range(rows.num_rows), key=[len(str(row)) for row in rows.to_pylist()].__getitem__)
    rows = pa.concat_tables([rows.slice(longest, 1), rows.slice(0, longest), rows.slice(longest + 1)])
    if rows.num_rows < _WARM_UP + num_rows * num_pairs:
        raise SystemExit(f"there are {rows.num_rows:,} different rows; ask for fewer, or for fewer pairs")
    parts = [rows.slice(0, _WARM_UP), *(rows.slice(_WARM_UP + i * num_rows, num_rows) for i in range(num_pairs))]
    files = [folder / f"in-{number}.parquet" for number in range(len(parts))]
    for part, file in zip(parts, files, strict=True):
        pq.write_table(part, file)
    return files


def take_turns(args: argparse.Namespace, ask: Mapping[str, Callable[[object], Figures]]) -> list[dict[str, Figures]]:
    """Let sides that stay measure the rows of each pair, after a few to warm up with."""
    with TemporaryDirectory() as folder:
        warm_up, *files = write_inputs(Path(folder), args.task, args.rows, args.pairs)
        for side in ask.values():
            side(warm_up)
        rest = {name: iter(files) for name in ask}
        return interleaved(list(ask), args.pairs, lambda name: ask[name](next(rest[name])))


def questions_of(plan: Plan) -> Iterator[Question]:
    """What the rows ask in the first round, in their order."""
    for part in plan.parts:
        for row in read_rows(part, plan.columns, redaction=plan.redaction):
            yield from plan.task.questions(validate_row(plan.task, row))


def requests_of(plan: Plan) -> list[Request]:
    """The same as requests, each once."""
    prompter = Prompter(plan.rules)
    requests = (prompter.request(question).request for question in questions_of(plan))
    return list({request.fingerprint: request for request in requests}.values())


Side = Callable[[argparse.Namespace, Path], Figures]


def compare(
    file: Path,
    description: str | None,
    sides: Mapping[str, Side],
    num_rows: int,
    num_pairs: int,
    agreement: Callable[[Path], Figures] = lambda folder: {},
) -> None:
    """A benchmark of a job in pairs of two sides, the first over the second: its command line, and its table.

    Args:
        file: the benchmark's.
        num_rows, num_pairs: unless told otherwise.
        agreement: what the answers of the last pair have in common; sides keep them beside the input.
    """
    parser = parser_of(description, list(sides), num_rows, num_pairs)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        if args.one:
            print(json.dumps(sides[args.one](args, Path(folder))))
            return
        rows = write_input(Path(folder) / "in.parquet", args.task, args.rows)
        same = ("--model", args.model, "--task", args.task, "--input", rows, *as_flags(args.engine_arg))
        pairs = interleaved(list(sides), args.pairs, lambda side: in_a_process(file, "--one", side, *same))
        agreed = agreement(Path(folder))
    report_pairs(file, args, pairs, "engine start apart", agreed)


def parser_of(description: str | None, sides: Sequence[str], num_rows: int, num_pairs: int) -> argparse.ArgumentParser:
    """The command line of such a benchmark; `--one` is a side, for the process that measures just that.

    Args:
        num_rows, num_pairs: unless told otherwise.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="sentiment", choices=list(TASK_OPTIONS))
    parser.add_argument("--rows", type=int, default=num_rows)
    parser.add_argument("--pairs", type=int, default=num_pairs)
    add_engine_args(parser)
    parser.add_argument("--one", choices=sides, help=argparse.SUPPRESS)
    return parser


def report_pairs(
    file: Path, args: argparse.Namespace, pairs: Sequence[Mapping[str, Figures]], engines: str, more: Figures
) -> None:
    """Its table: requests/s of both sides, those of the first over the second's, and what else was found.

    Args:
        engines: what is said of their start.
    """
    series = {f"{side} requests/s": [pair[side]["requests_per_second"] for pair in pairs] for side in pairs[0]}
    first, second = series.values()
    series[" / ".join(pairs[0])] = [one / other for one, other in zip(first, second, strict=True)]
    series |= {name: [value] for name, value in more.items()}
    title = f"{args.task}, {args.model}, {args.rows} unique rows, {args.pairs} interleaved pairs, {engines}"
    report(file, title, series, model=args.model, task=args.task, rows=args.rows, engine_args=args.engine_arg)


def add_engine_args(parser: argparse.ArgumentParser) -> None:
    """The flag for arguments of vLLM's, which all sides get: `--engine-arg load_format=dummy` measures a model's shape.

    Made-up weights do for speed, where a model's real ones cannot be had: a folder with its config and tokenizer, and
    any safetensors file.
    """
    parser.add_argument("--engine-arg", action="append", default=[], metavar="NAME=VALUE", help="vLLM's; repeatable")


def as_flags(engine_args: list[str]) -> list[str]:
    """The same flags, for the process of a side."""
    return [f"--engine-arg={pair}" for pair in engine_args]


def job_config(args: argparse.Namespace, folder: Path, **engine: Any) -> Any:
    """The job of such a benchmark, with a fresh store."""
    from jobs.config import JobConfig
    from jobs.settings import parse_engine_args

    return JobConfig(
        task=args.task,
        model=args.model,
        inputs=(str(args.input),),
        output=str(folder / "out"),
        store=str(folder / "store"),
        options=TASK_OPTIONS[args.task],
        engine_args=parse_engine_args(args.engine_arg),
        **engine,
    )


def job(args: argparse.Namespace, folder: Path, **engine: Any) -> Figures:
    """From the first row read to the last one written, engine start apart."""
    from jobs.run import run_job
    from jobs.terminal import own_terminal

    with own_terminal(quiet=True) as terminal:
        manifest = run_job(job_config(args, folder, **engine), terminal)
    seconds = manifest.seconds["pipeline"] - manifest.seconds["engine_start"]
    return {"requests_per_second": manifest.counts.sent / seconds, "engine_seconds": manifest.seconds["engine"]}
