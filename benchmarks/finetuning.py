"""What fine-tuning a small model lifts, on texts that about 20 people have rated (`textmill sample reviews`).

Trained on movie snippets and on half of the Amazon sentences; reported, before and after and beside a larger model that
is only prompted, on N other rows of both and of the tweets, of which none was trained on. The rows reported are those
from number 300 on of a fixed shuffle, as in `human_agreement.py`.

A call does the next steps that fit the time; the same call goes on until it prints the table.

    python benchmarks/finetuning.py --folder /tmp/finetuning --minutes 5
"""

import argparse
import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from jobs.adapting.finetune import FineTuning, finetune
from jobs.evaluation import EvaluationSettings, evaluate
from jobs.evaluation.bootstrap import Resampling
from jobs.samples import REVIEW_SCHEMA, write_reviews
from jobs.terminal import Terminal, own_terminal
from pipeline.adapters import read_card
from schemas.adapter import TrainingSettings
from schemas.manifest import MANIFEST_NAME, Manifest

_SOURCES = ("amazon", "movie", "tweets")
_FIRST = 300
_SHUFFLE = 7
_FIGURES = ("pearson_r", "macro_f1", "accuracy", "polarity")


def main() -> None:
    """Do what fits the time; at the end print the table and write it as JSON beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--beside", default="qwen2.5-0.5b", help="the larger model that is only prompted")
    parser.add_argument("--rows", type=int, default=500, help="reported, of each set")
    parser.add_argument("--train", type=int, default=1700, help="rows of each of the two sets, at most")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-rows", type=int, default=16)
    parser.add_argument("--held-out", type=float, default=0.1)
    parser.add_argument("--folder", type=Path, required=True, help="what is done is kept there")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    args = parser.parse_args()
    until = time.monotonic() + 60 * args.minutes
    with own_terminal() as terminal:
        if not _train(args, until, terminal):
            sys.exit("the time is up; the same call goes on")
    runs = {"before": (args.model, None), "after": (args.model, "adapter"), "beside": (args.beside, None)}
    for name, (model, adapter) in runs.items():
        if (args.folder / name / MANIFEST_NAME).is_file():
            continue
        if time.monotonic() > until:
            sys.exit("the time is up; the same call goes on")
        _judge(args.folder, name, model, adapter)
    found = {"card": read_card(args.folder / "adapter").model_dump(mode="json")}
    found |= {name: _figures(args.folder, name) for name in runs}
    _print(found)
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _train(args: argparse.Namespace, until: float, terminal: Terminal) -> bool:
    """Whether the adapter is there."""
    out, gold = args.folder / "adapter", args.folder / "train.parquet"
    if out.is_dir():
        return True
    if not gold.is_file():
        _write_rows(args, gold)
    settings = TrainingSettings(epochs=args.epochs, batch_rows=args.batch_rows, held_out=args.held_out)
    asked = FineTuning(gold, "sentiment", args.model, out, settings=settings, seconds=until - time.monotonic())
    return finetune(asked, terminal) is not None


def _write_rows(args: argparse.Namespace, gold: Path) -> None:
    """`gold`, and beside it the rows to report; no text is in both."""
    args.folder.mkdir(parents=True, exist_ok=True)
    sets = {}
    for source in _SOURCES:
        file = args.folder / f"{source}.parquet"
        write_reviews(file, (source,), lambda message: print(message, file=sys.stderr))
        sets[source] = pq.read_table(file).to_pylist()
        random.Random(_SHUFFLE).shuffle(sets[source])  # noqa: S311 - not a secret
    reported = [row for rows in sets.values() for row in rows[_FIRST : _FIRST + args.rows]]
    seen = {row["text"] for row in reported}
    pools = sets["amazon"][len(sets["amazon"]) // 2 :], sets["movie"][_FIRST + args.rows :]
    train = [row for pool in pools for row in [row for row in pool if row["text"] not in seen][: args.train]]
    pq.write_table(pa.Table.from_pylist(reported, REVIEW_SCHEMA), args.folder / "report.parquet")
    pq.write_table(pa.Table.from_pylist(train, REVIEW_SCHEMA), gold)


def _judge(folder: Path, name: str, model: str, adapter: str | None) -> None:
    """Run the job in a process of its own."""
    command = [sys.executable, "-m", "jobs.cli", "sentiment", str(folder / "report.parquet"), str(folder / name)]
    command += ["--model", model, "--store", str(folder / f"store-{name}")]
    command += ["--adapter", str(folder / adapter)] if adapter else []
    subprocess.run(command, check=True)


def _figures(folder: Path, name: str) -> dict[str, Any]:
    """Rows/s, and the figures of each set."""
    judged = ds.dataset(folder / name / "results").to_table()
    manifest = Manifest.model_validate_json((folder / name / MANIFEST_NAME).read_bytes())
    found: dict[str, Any] = {"model": manifest.model.name, "requests_per_second": _speed(manifest), "sets": {}}
    for source in _SOURCES:
        own = judged.filter(pa.compute.equal(judged["source"], source))
        gold = folder / f"{source}-gold.parquet"
        pq.write_table(own.select(["id", "human_rating", "human_ratings"]), gold)
        headline = evaluate(folder / name, EvaluationSettings(gold, resampling=Resampling(1000)), datetime.now(UTC))
        figures = {key: headline.headline[key] for key in _FIGURES}
        found["sets"][source] = {key: f.model_dump(include={"value", "low", "high"}) for key, f in figures.items()}
    return found


def _speed(manifest: Manifest) -> float:
    return manifest.counts.sent / manifest.seconds["engine"]


def _print(found: dict[str, Any]) -> None:
    card = found["card"]
    minutes = sum(card["seconds"].values()) / 60
    print(f"{card['data']['training']['rows']:,} rows trained on, {card['steps']} steps, {minutes:.1f} minutes")
    print(f"{'':34}" + "".join(f"{source:>22}" for source in _SOURCES))
    for name in ("before", "after", "beside"):
        one = found[name]
        print(f"{one['model']}, {one['requests_per_second']:.1f} requests/s")
        for key in _FIGURES:
            cells = [one["sets"][source][key] for source in _SOURCES]
            print(f"    {key:30}" + "".join(f"{c['value']:8.3f} ({c['low']:.2f}…{c['high']:.2f})" for c in cells))


if __name__ == "__main__":
    main()
