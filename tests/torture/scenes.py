"""A job to disturb: an input with all that makes a run interesting, and the run of it in a child."""

import functools
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import jobs.cascading.setup
import jobs.run
import pipeline.flow
import pipeline.outputs
import pipeline.parts
import pipeline.rounds
import pipeline.rows
import pipeline.run_folder
from jobs.cli import report
from jobs.config import JobConfig
from jobs.terminal import Terminal
from pipeline.completions import AppendCompletions, CompletionFolder
from pipeline.elements import Request
from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import RunError
from tests.torture.children import mark

FLUSH_ROWS, WINDOW = 40, 64
IN_FLIGHT = FLUSH_ROWS + 2 * WINDOW
"""What a `kill -9` may cost: what waits in the engine, what it has just answered, what was gathered for the store."""

PHASES = {
    b"p": "prepare", b"r": "read", b"a": "ask", b"e": "engine", b"s": "store", b"w": "write", b"c": "commit",
    b"x": "exchange",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """An input and the task that reads it.

    Attributes:
        folder: has the input in `in`.
        rows: how many it has.
        results_in_row: how many the task makes of each.
        slowness: seconds that the engine takes for a request.
        rows_in_wave: after so many the pipeline starts anew.
    """

    folder: Path
    task: str
    rows: int
    results_in_row: int
    slowness: float
    rows_in_wave: int

    def run(self, output: Path, store: Path, sent: Path) -> int:
        """Run the job, in a child; each request adds a byte to the file `sent`. Returns the exit code."""
        signal.signal(signal.SIGTERM, lambda *_: os._exit(130))  # before and after the run
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        cut_small(self.rows_in_wave)
        _mark_phases()
        slow_down(self.slowness, os.open(sent, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))
        config = JobConfig(
            task=self.task, inputs=(str(self.folder / "in"),), output=str(output), store=str(store), engine="scripted"
        )
        try:
            jobs.run.run_job(config, Terminal(sys.stderr))
        except RunError as error:
            report(error)
            return error.exit_code
        return 0


def make_scene(folder: Path, rng: Random, most_rows: int) -> Scene:
    """Write an input of several files: duplicates, rows that are not valid, other columns."""
    total = 0
    pool = [f"text {rng.randrange(10**9)}" for _ in range(rng.randint(40, most_rows))]
    pool += ["", "  ", None, "née 日本 🙂 \x00", "<|im_end|>"]
    for i in range(rng.randint(1, 4)):
        num_rows = rng.choice([0, 1, rng.randint(2, most_rows), rng.randint(2, most_rows)]) if i else most_rows
        columns = {
            "key": [f"{i}.{n}" for n in range(num_rows)],
            "text": pa.array([rng.choice(pool) for _ in range(num_rows)], pa.string()),
            "n": pa.array([rng.choice([None, n]) for n in range(num_rows)], pa.int64()),
        }
        (folder / "in").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), folder / f"in/{i}.parquet", row_group_size=rng.choice([37, 200, 5000]))
        total += num_rows
    toy = str(Path(__file__).parents[1] / "toy_task.py") + ":TASK"
    task, results = rng.choice([("sentiment", 1), (toy, 2)])
    return Scene(folder, task, total, results, rng.choice([0.0, 0.0002, 0.001]), rng.choice([250, 10_000, 10_000]))


def cut_small(rows_in_wave: int) -> None:
    """In a child: make everything happen many times in a small run: parts, waves, flushes."""
    pipeline.parts._PART_ROWS = 100
    pipeline.flow._ROWS_IN_WAVE = rows_in_wave
    pipeline.rounds.AppendCompletions = functools.partial(AppendCompletions, flush_seconds=0.05, flush_rows=FLUSH_ROWS)


def slow_down(seconds: float, sent: int) -> None:
    """In a child: let the engine take some seconds for each request, and write a byte to a file for it."""
    script = ScriptedEngine._default_script

    def slow(self: ScriptedEngine, request: Request) -> str:
        os.write(sent, b".")
        time.sleep(seconds)
        return script(self, request)

    ScriptedEngine._default_script = slow  # type: ignore[method-assign]


def _mark_phases() -> None:
    places: list[tuple[Any, str, bytes]] = [
        (jobs.cascading.setup, "prepare", b"p"),
        (pipeline.rows, "read_batches", b"r"),
        (pipeline.rounds.AskQuestions, "process", b"a"),
        (ScriptedEngine, "collect", b"e"),
        (CompletionFolder, "write_part", b"s"),
        (pipeline.outputs, "write_part", b"w"),
        (pipeline.run_folder.RunFolder, "commit", b"c"),
        (pipeline.run_folder, "_put_in_place", b"x"),
    ]
    for owner, name, letter in places:
        setattr(owner, name, _marked(getattr(owner, name), letter))


def _marked(act: Callable[..., Any], letter: bytes) -> Callable[..., Any]:
    @functools.wraps(act)
    def marked(*arguments: Any, **named: Any) -> Any:
        mark(letter)
        return act(*arguments, **named)

    return marked
