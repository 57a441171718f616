"""What is not computed: duplicates, the second day's old rows, and a run that was there before.

Four jobs a pair, each in a process of its own: `unique`, different texts; `half`, as many rows, half duplicates;
`day two`, the first day's rows and 5 % more, on the first day's store; `re-run`, the same once more. For each: rows/s
and seconds, engine start apart, rows sent, tokens computed, engine starts.

    python benchmarks/not_computing.py --model smollm2-135m --rows 1000 --pairs 5
"""

import argparse
import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from corpora import unique_reviews
from measure import Figures, in_a_process, report

from jobs.config import JobConfig
from jobs.run import run_job
from jobs.terminal import own_terminal

_HERE = Path(__file__).resolve()
_NEW_SHARE = 0.05


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.input:
        print(json.dumps(_job(args.model, args.input, args.store)))
        return
    pairs = []
    for number in range(args.pairs):
        with TemporaryDirectory() as name:
            pairs.append(_pair(args.model, Path(name), args.rows, number))
            print(f"pair {number + 1} of {args.pairs}: {json.dumps(pairs[-1])}", flush=True)
    series = {f"{job}: {figure}": [p[job][figure] for p in pairs] for job in pairs[0] for figure in pairs[0][job]}
    series |= {
        "half over unique, rows/s": [p["half"]["rows/s"] / p["unique"]["rows/s"] for p in pairs],
        "day two over day one, tokens computed": [p["day two"]["tokens"] / p["unique"]["tokens"] for p in pairs],
        "day two over day one, seconds": [p["day two"]["seconds"] / p["unique"]["seconds"] for p in pairs],
    }
    title = f"sentiment, {args.model}, {args.rows} rows, {args.pairs} pairs, engine start apart"
    report(_HERE, title, series, model=args.model, rows=args.rows)


def _pair(model: str, folder: Path, num_rows: int, number: int) -> dict[str, Figures]:
    """The jobs of one pair; which of the first two goes first turns round from pair to pair."""
    texts = unique_reviews(round(num_rows * (1 + _NEW_SHARE)))
    random.Random(number).shuffle(texts)  # noqa: S311 - not a secret
    new, unique = texts[num_rows:], texts[:num_rows]
    half = unique[: num_rows // 2] * 2
    random.Random(number).shuffle(half)  # noqa: S311 - not a secret
    jobs = [("unique", unique, "store"), ("half", half, "other")]
    later = [("day two", unique + new, "store"), ("re-run", unique + new, "store")]
    found = {}
    for name, rows, store in [*(jobs if number % 2 == 0 else jobs[::-1]), *later]:
        file = folder / f"{name}.parquet"
        pq.write_table(pa.table({"text": rows}), file)
        found[name] = in_a_process(_HERE, "--model", model, "--input", file, "--store", folder / store)
    return {name: found[name] for name in ("unique", "half", "day two", "re-run")}


def _job(model: str, file: Path, store: Path) -> Figures:
    with own_terminal(quiet=True) as terminal, TemporaryDirectory() as out:
        config = JobConfig(task="sentiment", model=model, inputs=(str(file),), output=f"{out}/out", store=str(store))
        manifest = run_job(config, terminal)
    seconds = manifest.seconds["total"] - manifest.seconds["engine_start"]
    computed = manifest.tokens.prompt - manifest.tokens.cached_prompt + manifest.tokens.output
    return {
        "rows/s": manifest.counts.rows / seconds,
        "seconds": seconds,
        "sent": float(manifest.counts.sent),
        "tokens": float(computed),
        "engine start seconds": manifest.seconds["engine_start"],
    }


if __name__ == "__main__":
    main()
