"""Damaged input and careless job files: a whole output, or one line that says what is wrong; never anything else."""

import re
import resource
import shutil
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

import jobs.cli
import jobs.inquiry
import jobs.run
import jobs.summary
from jobs.config import JobConfig
from pipeline.errors import UsageError
from tests.torture.children import CRASHED, Child, Ended
from tests.torture.job_cases import make_job
from tests.torture.parquet_cases import damage, make_file
from tests.torture.verdicts import Broken, check_folder, check_nothing_left, must, read_manifest

_DEADLINE_SECONDS = 60.0
_MOST_MEMORY_BYTES = 12 << 30
_LIES = 71
_NAMED = ("job.toml", "labels", "instruction", "aspect", "option", "form", "no Parquet files at")
_PLACES = {"in", "store", "stderr.txt", "job.toml", "home"}


def main(seed: int, number: int, folder: Path) -> int:
    """Try so many inputs; returns the exit code."""
    tally: Counter[str] = Counter()
    broken = 0
    for i in range(number):
        place = folder / f"case{i}"
        try:
            tally[run_case(f"{seed}/{i}", place)] += 1
        except Broken as error:
            broken += 1
            print(f"  BROKEN, case {seed}/{i} in {place} (kept): {error}", flush=True)
            continue
        shutil.rmtree(place)
        if (i + 1) % 100 == 0:
            print(f"  {i + 1}/{number} inputs, {broken} broken promises", flush=True)
    counts = ", ".join(f"{n} {name}" for name, n in sorted(tally.items()))
    print(f"fuzz: {number} inputs ({counts}), {broken} broken promises")
    return 1 if broken else 0


def run_case(name: str, place: Path) -> str:
    """Make one case and judge how the job took it; returns how it ended, in words."""
    rng = Random(name)
    (place / "in").mkdir(parents=True)
    (place / "home").mkdir()
    if rng.random() < 0.75:
        what, content = damage(rng, make_file(rng))
        (place / "in/rows.parquet").write_bytes(content)
        arguments = ["sentiment", "in", "out", "--engine", "scripted", "--store", "store", "--text", "text"]
        if rng.random() < 0.3:
            pq.write_table(pa.table({"text": ["good", "bad"]}), place / "in/good.parquet")
        if rng.random() < 0.4:
            arguments.append("--skip-bad-files")
        names = "rows.parquet|column"
    else:
        what, content = make_job(rng)
        (place / "job.toml").write_bytes(content)
        pq.write_table(pa.table({"key": [str(i) for i in range(9)], "text": ["good"] * 9}), place / "in/rows.parquet")
        arguments = ["run", "job.toml"]
        names = "|".join((*_NAMED, *JobConfig.model_fields))
    ended = Child(partial(_work, arguments), place).wait(_DEADLINE_SECONDS)
    try:
        return _judge(ended, place, names)
    except Broken as error:
        raise Broken(f"{what}: {error}\n{ended.err[-3000:]}") from None


def _work(arguments: list[str]) -> int:
    """In a child: the command, and whether an output that it calls whole is."""
    import os

    os.environ["TEXTMILL_HOME"] = "home"
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    jobs.inquiry.resolve_model = _no_models  # type: ignore[assignment]
    sys.argv = ["textmill", *arguments]
    code = 0
    try:
        jobs.cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else CRASHED
    if code in (0, 3) and Path("out").is_dir():
        try:
            _check_rows()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it is to be told
            print(f"LIES: {type(error).__name__}: {error}", file=sys.stderr)
            return _LIES
    return code


def _no_models(*_: object) -> None:
    raise UsageError("model: there is none here")


def _check_rows() -> None:
    """What the manifest says was read is what pyarrow reads."""
    manifest = read_manifest(Path("out"))
    rows = sum(file["rows"] for file in manifest["inputs"])
    there = sum(pq.read_table(file["path"], columns=["text"]).num_rows for file in manifest["inputs"])
    must(there == rows, f"the input has {there} rows, the manifest says {rows}")
    wanted = min(rows, *(n for key in ("limit", "sample") if (n := manifest["config"][key]) is not None), rows)
    check_folder(Path("out"), wanted, 1)


def _judge(ended: Ended, place: Path, names: str) -> str:
    must(ended.code is not None, f"still at work after {_DEADLINE_SECONDS:.0f} seconds")
    must(ended.code in (0, 1, 2, 3), f"ended with {ended.code}")
    must("Traceback" not in ended.err, "a traceback")
    errors = [line for line in ended.err.splitlines() if line.startswith("error:")]
    hints = [line for line in ended.err.splitlines() if line.startswith("hint:")]
    others = [line for line in ended.err.splitlines() if line and not line.startswith(("error:", "hint:", "  "))]
    must(not others, f"more than an error and a hint: {others[:3]}")
    if ended.code in (0, 3):
        must(not errors, "an error, and a good end")
        _check_left(place, _PLACES | ({"out", ".out.lock"}))
        return f"ended with {ended.code}"
    must(len(errors) == 1 and len(hints) <= 1, f"{len(errors)} errors and {len(hints)} hints")
    must(len(errors[0]) > len("error: a reason"), "no reason")
    must(re.search(names, errors[0] + "".join(hints)) is not None, "neither the file nor the key is named")
    logs = {path.name for path in place.glob(".out.*.tmp") if ended.code == 1 and f"{path.name}/run.log" in hints[0]}
    must(
        all(f.name in {"run.json", "run.log"} for name in logs for f in (place / name).iterdir()),
        "more than a log is left behind",
    )
    _check_left(place, _PLACES | {".out.lock"} | logs)
    return f"ended with {ended.code}"


def _check_left(place: Path, allowed: set[str]) -> None:
    """Nothing but what belongs there; a job file may have said other names, but nothing half-made has any."""
    left = {entry.name for entry in place.iterdir()} - allowed
    if (place / "job.toml").exists():
        left = {name for name in left if name.endswith(".tmp")}
    must(not left, f"left behind: {left}")
    check_nothing_left(place, place / "store", {entry.name for entry in place.iterdir()})
