"""What a cascade saves: rows a second against the large model alone, and how far both agree, at several targets.

Each side has a store of its own, so nothing is reused. The sample that thresholds are learnt on is part of the
cascade's time and weighs the less the more rows there are, so the speed without it is given as well: requests by model,
each at the speed that the model had in that run.
"""

import argparse
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from corpora import unique_reviews

from jobs.config import JobConfig
from jobs.run import run_job
from jobs.terminal import Terminal
from pipeline.layout import RESULTS
from schemas.manifest import Manifest


def main() -> None:
    """Measure and print one line for each target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--cascade", default="smollm2-135m,qwen2.5-0.5b")
    parser.add_argument("--target", type=float, action="append")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.parquet"
        pq.write_table(pa.table({"text": unique_reviews(arguments.rows)}), rows)
        last = arguments.cascade.rpartition(",")[2]
        alone = _run(Path(folder), "alone", {"model": last, "inputs": (str(rows),)})
        print(f"{last} alone: {_seconds(alone):.1f} s for {alone.counts.rows} rows, engine start not counted")
        for target in arguments.target or (0.9, 0.95, 0.99):
            name = f"at {target}"
            settings = {"cascade": arguments.cascade, "target": target, "cascade_sample": arguments.sample}
            run = _run(Path(folder), name, {**settings, "inputs": (str(rows),)})
            _print(target, run, alone, _agreement(Path(folder) / name, Path(folder) / "alone"))


def _run(folder: Path, name: str, settings: dict[str, object]) -> Manifest:
    values = {"task": "sentiment", "output": str(folder / name), "store": str(folder / f"store {name}"), **settings}
    return run_job(JobConfig.model_validate(values), Terminal(io.StringIO(), quiet=True))


def _seconds(manifest: Manifest) -> float:
    """Of the pipeline, without the start of engines."""
    return manifest.seconds["pipeline"] - manifest.seconds["engine_start"]


def _agreement(one: Path, other: Path) -> float:
    labels = [ds.dataset(folder / RESULTS).to_table(["label"])["label"].to_pylist() for folder in (one, other)]
    agreed: int = sum(a == b for a, b in zip(*labels, strict=True))
    return agreed / max(1, len(labels[0]))


def _print(target: float, run: Manifest, alone: Manifest, agreement: float) -> None:
    if run.cascade is None:
        raise SystemExit("the run has no cascade")
    rows, (first, *_) = max(1, run.counts.rows), run.cascade.models
    speed = _seconds(alone) / max(1e-3, _seconds(run))
    large_each = alone.seconds["engine"] / max(1, alone.counts.sent)
    small_each = first.engine_seconds / max(1, first.sent)
    main_pass = small_each + (1 - first.rows / rows) * large_each if run.cascade.proven else large_each
    print(
        f"target {target:.2f}: sample {run.cascade.sample}, {first.name} kept {first.rows / rows:.0%}, "
        f"agreement {agreement:.3f}, {speed:.2f} x the speed with the sample, {large_each / main_pass:.2f} x without"
    )


if __name__ == "__main__":
    main()
