"""What every benchmark does: sides measured in processes of their own, interleaved; one table of medians and spread.

The machines these run on are noisy, a factor of four was seen, so no figure is taken alone: each *pair* measures every
side once, in an order that turns round from pair to pair, and what counts is the median of the pairs' ratios.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

Figures = dict[str, float]
"""What one side measured, by name."""


def interleaved(sides: Sequence[str], num_pairs: int, measure: Callable[[str], Figures]) -> list[dict[str, Figures]]:
    """Measure every side once for each pair; progress goes to standard error."""
    pairs = []
    for number in range(num_pairs):
        order = sides if number % 2 == 0 else list(reversed(sides))
        found = {side: measure(side) for side in order}
        pairs.append({side: found[side] for side in sides})
        said = ", ".join(f"{side} {next(iter(found[side].values())):,.1f}" for side in sides)
        print(f"pair {number + 1} of {num_pairs}: {said}", file=sys.stderr)
    return pairs


def in_a_process(file: Path, *arguments: object) -> Figures:
    """Run a benchmark's file with these arguments; it prints its figures as JSON on its last line."""
    done = subprocess.run(
        [sys.executable, str(file), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def answering(
    file: Path, *arguments: object, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Callable[[object], Figures]]:
    """A benchmark's file in a process that stays: it reads what to measure, a line each, and prints figures as JSON.

    Args:
        environment: what its variables have besides ours.
    """
    command = [sys.executable, str(file), *map(str, arguments)]
    env = {**os.environ, **environment}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:

        def measure(what: object) -> Figures:
            with suppress(BrokenPipeError):
                print(what, file=process.stdin, flush=True)
                for line in process.stdout or ():
                    if line.startswith('{"'):
                        figures: Figures = json.loads(line)
                        return figures
            raise SystemExit(f"{file.name} {' '.join(map(str, arguments))} ended without an answer")

        yield measure
        process.communicate()


def report(file: Path, title: str, series: Mapping[str, Sequence[float]], **more: Any) -> None:
    """Print a table with the median, least and most of each series, and write it all beside the benchmark's file."""
    width = max(map(len, series))
    print(f"{title}\n{'':{width}}{'median':>14}{'least':>14}{'most':>14}")
    for name, values in series.items():
        spread = (statistics.median(values), min(values), max(values))
        print(f"{name:{width}}" + "".join(f"{value:14,.2f}" for value in spread))
    content = {"title": title, "series": {name: list(values) for name, values in series.items()}, **more}
    file.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
