"""How often `textmill compare` finds a worse prompt, and how often it cries wolf over equal runs.

Real answers: the reviews are judged once with the task's own prompt, once with one whose examples are all positive, and
once with one that has a positive example too many. Each repetition then draws rows from these answers, as a run on a
sample would have had them: requests are answered independently of each other, greedily. Scenes:

    same rows             another store and another order of requests: judged again by the engine, in reversed order
    other rows            the same prompt on two disjoint samples
    biased, same rows     the prompt with positive examples only against the task's own, on the same sample
    biased, other rows    the same on disjoint samples
    tilted, …             the prompt with one positive example too many

A finding in the first two is a false alarm; none in the others is a miss.

    python benchmarks/compare_power.py --model smollm2-135m --rows 2000 --sample 300 --repetitions 20
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from measure import report

from jobs.comparing.compare import compare
from jobs.comparing.comparison import Bounds, Comparison
from jobs.config import JobConfig
from jobs.run import run_job
from jobs.samples import write_reviews
from jobs.terminal import own_terminal
from pipeline.models import home
from schemas.manifest import MANIFEST_NAME, FileInfo, Manifest

_GLAD = ("Arrived on time and works exactly as described. Love it!", "Warm, funny and beautifully acted.")
_MATTER = ("I bought this for my sister's birthday in May.", "It is a 60-watt charger with a two-metre cable.")
_PROMPTS: dict[str, dict[str, Any]] = {
    "own": {},
    "biased": {"examples": [{"text": text, "label": "positive"} for text in (*_GLAD, *_MATTER)]},
    "tilted": {
        "examples": [
            {"text": _MATTER[1], "label": "neutral"},
            {"text": "Stopped working after a week and nobody answers my mails.", "label": "negative"},
            {"text": "The sound is wonderful, but the battery dies within an hour.", "label": "mixed"},
            {"text": _GLAD[1], "label": "positive"},
            {"text": _GLAD[0], "label": "positive"},
        ]
    },
}
_AGAIN = "own, again"
_SCENES = (
    ("same rows", "own", _AGAIN, True),
    ("other rows", "own", "own", False),
    ("biased, same rows", "own", "biased", True),
    ("biased, other rows", "own", "biased", False),
    ("tilted, same rows", "own", "tilted", True),
    ("tilted, other rows", "own", "tilted", False),
)


def main() -> None:
    """Judge the reviews, repeat every scene, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", default=str(home() / "store"))
    args = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        judged = _judge(folder, args.model, args.rows, args.store)
        series: dict[str, list[float]] = {}
        for scene in _SCENES:
            found = list(_repeat(folder, judged, scene, args.sample, args.repetitions, args.seed))
            series |= _figures(scene[0], found)
            print(f"{scene[0]}: {sum(one.regressed for one in found)} of {len(found)} found", flush=True)
    report(Path(__file__).resolve(), f"{args.model}, {args.sample} of {args.rows} rows", series, **vars(args))


def _figures(scene: str, found: Sequence[Comparison]) -> dict[str, list[float]]:
    columns = [shift.column for shift in found[0].shifts]
    of_answers = [any(not line.startswith("uncertainty ") for line in one.findings) for one in found]
    figures = {
        f"{scene}: found": [float(one.regressed) for one in found],
        f"{scene}: found by label or score": [float(one) for one in of_answers],
    }
    for i, column in enumerate(columns):
        figures[f"{scene}: PSI of {column}"] = [one.shifts[i].psi for one in found]
    if found[0].rows.both:
        figures[f"{scene}: flipped %"] = [100 * one.changed[0].share for one in found]
    return figures


def _judge(folder: Path, model: str, num_rows: int, store: str) -> dict[str, tuple[Manifest, pa.Table]]:
    """The answers to each prompt, and to the task's own once more: in reversed order, from a store of their own."""
    reviews, backwards = folder / "reviews.parquet", folder / "backwards.parquet"
    write_reviews(reviews, ("amazon", "movie"), lambda message: None)
    table = pq.read_table(reviews)
    chosen = np.sort(np.random.default_rng(0).choice(len(table), num_rows, replace=False))
    pq.write_table(table.take(chosen), reviews)
    pq.write_table(table.take(chosen[::-1]), backwards)
    runs = {name: (reviews, store, options) for name, options in _PROMPTS.items()}
    runs[_AGAIN] = (backwards, str(folder / "store"), _PROMPTS["own"])
    found = {}
    for name, (rows, where, options) in runs.items():
        output = folder / name
        config = JobConfig(
            task="sentiment", inputs=(str(rows),), output=str(output), model=model, store=where, options=options
        )
        with own_terminal(quiet=True) as terminal:
            manifest = run_job(config, terminal)
        found[name] = (manifest, ds.dataset(output / "results").to_table().sort_by("id"))
    return found


def _repeat(
    folder: Path,
    judged: dict[str, tuple[Manifest, pa.Table]],
    scene: tuple[str, str, str, bool],
    sample: int,
    repetitions: int,
    seed: int,
) -> Iterator[Comparison]:
    """One comparison for each repetition, of samples drawn anew."""
    _, one, other, same_rows = scene
    for number in range(repetitions):
        drawn = np.random.default_rng((seed, number)).permutation(len(judged[one][1]))
        rows = drawn[:sample], drawn[:sample] if same_rows else drawn[sample : 2 * sample]
        for side, name, chosen in (("a", one, rows[0]), ("b", other, rows[1])):
            _write(folder / side, *judged[name], chosen)
        yield compare(folder / "a", folder / "b", Bounds(), show=0)


def _write(output: Path, manifest: Manifest, answers: pa.Table, rows: np.ndarray[Any, Any]) -> None:
    """An output as a run on these rows would have left it, in an order of its own."""
    file = output / "results" / "part-00000.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(answers.take(rows), file)
    counts = manifest.counts.model_copy(update={"rows": len(rows), "results": len(rows), "ok": len(rows)})
    info = FileInfo(path=f"results/{file.name}", rows=len(rows), size_bytes=file.stat().st_size)
    of_these = manifest.model_copy(update={"counts": counts, "results": [info]})
    (output / MANIFEST_NAME).write_text(of_these.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
