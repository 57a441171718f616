"""What a person reads when a run is over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from rich.console import Console
from rich.text import Text

from jobs.tasks import find_task
from jobs.terminal import duration, plain_table, printable
from pipeline.outputs import DEAD_LETTERS, RESULTS
from schemas.envelope import ERROR_COLUMN, ID_COLUMN, Status
from schemas.manifest import CheckCounts, Manifest

_TEXT_WIDTH = 72


def print_summary(console: Console, manifest: Manifest, output: Path) -> None:
    """Counts, tokens, time and where the results are."""
    for name, value in _summary_lines(manifest, output):
        line = Text.assemble((f"{name:<14}", "bold"), value)
        console.print(line, soft_wrap=True)  # one line each, so that a path can be copied


def _summary_lines(manifest: Manifest, output: Path) -> Iterator[tuple[str, str]]:
    counts, tokens, seconds = manifest.counts, manifest.tokens, manifest.seconds
    failed = ", ".join(f"{n:,} {name}" for name, n in counts.failed_by_class.items())
    several = f"{counts.results:,} results: " if counts.results != counts.rows else ""
    ended = f"{counts.ok:,} ok, {counts.failed:,} failed{f' ({failed})' if failed else ''}"
    yield "rows", f"{counts.rows:,} in, {several}{ended}"
    if counts.checks and counts.ok:
        yield (
            "checks",
            ", ".join(f"{name} {c.passed / max(1, c.passed + c.failed):.0%}" for name, c in _checks(manifest)),
        )
    yield "requests", f"{counts.unique:,} unique, {counts.reused:,} reused, {counts.sent:,} sent to the engine"
    if counts.sent:
        share = tokens.cached_prompt / max(1, tokens.prompt)
        thought = f", {tokens.reasoning:,} of them thoughts" if tokens.reasoning else ""
        yield "tokens", f"{tokens.prompt:,} in ({share:.0%} from the prefix cache), {tokens.output:,} out{thought}"
    phases = [f"{name.replace('_', ' ')} {duration(seconds[name])}" for name in ("prepare", "engine_start", "engine")]
    yield "time", f"{duration(seconds['total'])} ({', '.join(phases)})"
    speed = f"{manifest.rates['rows_per_second']:,.1f} rows/s"
    if counts.sent:
        speed += f"; engine {manifest.rates['engine_requests_per_second']:,.1f} requests/s"
    yield "speed", speed
    if counts.truncated:
        yield "cut", f"{counts.truncated:,} texts did not fit the context (meta.truncated)"
    for name, new in manifest.renamed_columns.items():
        yield "renamed", f"the input's column {name} is {new} in the output"
    yield "results", str(output / RESULTS)
    if counts.failed:
        yield "dead letters", str(output / DEAD_LETTERS)


def _checks(manifest: Manifest) -> list[tuple[str, CheckCounts]]:
    """The checks that anything was found out by, the least passed first."""
    known = [(name, c) for name, c in manifest.counts.checks.items() if c.passed + c.failed]
    return sorted(known, key=lambda item: item[1].passed / (item[1].passed + item[1].failed))


def print_rows(console: Console, manifest: Manifest, output: Path, num_rows: int) -> None:
    """A table with the first rows of a run and their answers."""
    task = find_task(manifest.task)
    table = ds.dataset(output / RESULTS).head(num_rows)
    texts = [manifest.renamed_columns.get(name, name) for name in manifest.columns.values()]
    columns = [ID_COLUMN, *texts, *task.columns]
    rows = [_cells(row, columns) for row in table.to_pylist()]
    console.print(plain_table(None, columns, rows))


def _cells(row: dict[str, Any], columns: list[str]) -> list[str]:
    if row["status"] == Status.FAILED:
        error = row[ERROR_COLUMN]
        row = {**row, columns[-1]: f"{error['class']}: {error['message']}"}
    return [_cell(row.get(name)) for name in columns]


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:+.2f}" if value < 0 else f"{value:.2f}"
        case bytes():
            value = value.decode(errors="replace")
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= _TEXT_WIDTH else text[: _TEXT_WIDTH - 1] + "…"
