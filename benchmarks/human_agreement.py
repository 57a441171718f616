"""How well sentiment agrees with people, beside one human and VADER's lexicon, before and after calibration.

Texts that about 20 people have rated (`textmill sample reviews`), N of each set: those from number 300 on of a fixed
shuffle, for the first 300 are there to choose prompts by. One job judges them all. Labels follow from mean ratings:
neutral within 0.5 of 0. What is said after calibration is of held-out rows: each was judged by a calibration that was
fitted on four fifths of the others of its set. One human is compared with the mean of the others.

    python benchmarks/human_agreement.py --model qwen2.5-0.5b --rows 1000
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from jobs.config import JobConfig
from jobs.evaluation import EvaluationSettings, evaluate
from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.calibrate import calibrate
from jobs.run import run_job
from jobs.samples import REVIEW_SCHEMA, write_reviews
from jobs.terminal import own_terminal

_SOURCES = ("amazon", "movie", "tweets")
_FIRST = 300
_SHUFFLE = 7


def main() -> None:
    """Judge, compare, print the table and write it as JSON beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen2.5-0.5b")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--calibration", default="none", help="a calibration file, to see what another one does")
    parser.add_argument("--store", help="keep the answers there")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = _measure(args, Path(folder))
    _print(found, args)
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    rows = [row for source in _SOURCES for row in _rated(source, args.rows, folder)]
    pq.write_table(pa.Table.from_pylist(rows, REVIEW_SCHEMA), folder / "texts.parquet")
    config = JobConfig(
        task="sentiment",
        model=args.model,
        inputs=(str(folder / "texts.parquet"),),
        output=str(folder / "out"),
        options={"calibration": args.calibration},
        **({"store": args.store} if args.store else {}),
    )
    with own_terminal() as terminal:
        manifest = run_job(config, terminal)
    judged = ds.dataset(folder / "out/results").to_table()
    return {
        "model": args.model,
        "rows_per_second": manifest.rates["rows_per_second"],
        "sets": {source: _compare(source, judged, folder, args.calibration == "none") for source in _SOURCES},
    }


def _rated(source: str, num_rows: int, folder: Path) -> Sequence[dict[str, Any]]:
    file = folder / f"{source}.parquet"
    write_reviews(file, (source,), lambda message: print(message, file=sys.stderr))
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    random.Random(_SHUFFLE).shuffle(rows)  # noqa: S311 - not a secret
    return rows[_FIRST : _FIRST + num_rows]


def _compare(source: str, judged: pa.Table, folder: Path, calibrating: bool) -> dict[str, Any]:
    """The figures of one set: ours, one human's, VADER's, and ours after calibration."""
    own = judged.filter(pa.compute.equal(judged["source"], source))
    gold = folder / f"{source}-gold.parquet"
    pq.write_table(own.select(["id", "human_rating", "human_ratings"]), gold)
    settings = EvaluationSettings(gold=gold, resampling=Resampling(1000))
    found = evaluate(folder / "out", settings, datetime.now(UTC))
    headline = {name: figure.model_dump(include={"value", "low", "high"}) for name, figure in found.headline.items()}
    result = {"rows": found.compared, "ours": headline, "one_human": found.human.figures if found.human else {}}
    if calibrating:
        fitted = calibrate(folder / "out", settings, datetime.now(UTC))
        errors = {"before": fitted.before, "after": fitted.after}
        result["held_out"] = {when: error.model_dump() for when, error in errors.items() if error}
    return {**result, "vader": _vader(own)}


def _vader(judged: pa.Table) -> dict[str, float]:
    """VADER's compound score against the mean rating."""
    from scipy.stats import pearsonr, spearmanr

    analyzer = SentimentIntensityAnalyzer()
    scores = [analyzer.polarity_scores(text)["compound"] for text in judged["text"].to_pylist()]
    human = judged["human_rating"].to_pylist()
    polar = [
        (score > 0) == (rating > 0) and score != 0
        for score, rating in zip(scores, human, strict=True)
        if abs(rating) >= 0.5
    ]
    return {
        "pearson_r": float(pearsonr(scores, human).statistic),
        "spearman_r": float(spearmanr(scores, human).statistic),
        "polarity": sum(polar) / len(polar),
    }


def _print(found: dict[str, Any], args: argparse.Namespace) -> None:
    print(f"{args.model}, {args.rows} texts a set, {found['rows_per_second']:.1f} rows/s")
    print(f"{'':22}" + "".join(f"{source:>24}" for source in _SOURCES))
    sets = [found["sets"][source] for source in _SOURCES]
    for name in ("pearson_r", "spearman_r", "polarity", "accuracy", "macro_f1", "mae", "ece"):
        cells = [one["ours"].get(name) for one in sets]
        print(
            f"{name:22}"
            + "".join(f"{c['value']:9.3f} ({c['low']:.3f}…{c['high']:.3f})" if c else f"{'':24}" for c in cells)
        )
    for side, names in (("one_human", ("pearson_r", "polarity", "macro_f1")), ("vader", ("pearson_r", "polarity"))):
        for name in names:
            print(f"{side + ' ' + name:22}" + "".join(f"{one[side].get(name, float('nan')):24.3f}" for one in sets))
    for when in ("before", "after"):
        for name in ("ece", "accuracy", "pearson_r", "mae") if "held_out" in sets[0] else ():
            print(f"{when + ' ' + name:22}" + "".join(f"{one['held_out'][when][name]:24.3f}" for one in sets))


if __name__ == "__main__":
    main()
