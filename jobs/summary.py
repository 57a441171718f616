"""What a person reads when a run is over."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.savings import Savings, savings_of
from jobs.terminal import duration, plain_table, printable
from pipeline.survey import open_parquet
from pipeline.tables import values_of
from schemas.cascade import CascadeUse
from schemas.envelope import ERROR_COLUMN, ID_COLUMN, STATUS_COLUMN, Status
from schemas.manifest import CheckCounts, FileInfo, Manifest
from schemas.results import CHECKS_COLUMN

_TEXT_WIDTH = 72
_BLOCK_WIDTH = 1000
_SHORT = 40
_FAILED_CHECKS = "failed checks"


def print_summary(console: Console, manifest: Manifest, output: Path | str) -> None:
    """Counts, tokens, time and where the results are."""
    for name, value in _summary_lines(manifest, output):
        line = Text.assemble((f"{name:<14}", "bold"), printable(value))
        console.print(line, soft_wrap=True)  # one line each, so that a path can be copied


def _summary_lines(manifest: Manifest, output: Path | str) -> Iterator[tuple[str, str]]:
    counts, tokens, seconds = manifest.counts, manifest.tokens, manifest.seconds
    failed = ", ".join(f"{n:,} {name}" for name, n in counts.failed_by_class.items())
    several = f"{counts.results:,} results: " if counts.results != counts.rows else ""
    ended = f"{counts.ok:,} ok, {counts.failed:,} failed{f' ({failed})' if failed else ''}"
    yield "rows", f"{counts.rows:,} in, {several}{ended}"
    yield from _histories(manifest)
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
    saved = savings_of(tokens)
    if saved.asked > saved.computed:
        yield "saved", f"{saved.share:.0%} of {saved.asked:,} tokens that the rows asked for: {_saved_by(saved)}"
    yield "time", f"{duration(seconds['total'])} ({', '.join(phases)})"
    speed = f"{manifest.rates['rows_per_second']:,.1f} rows/s"
    if counts.sent:
        speed += f"; engine {manifest.rates['engine_requests_per_second']:,.1f} requests/s"
    yield "speed", speed
    if manifest.energy:
        each, thousand = manifest.rates["joules_per_row"], manifest.rates["joules_per_1k_tokens"]
        yield "energy", f"{manifest.energy.joules:,.0f} J ({each:,.2f} a row, {thousand:,.1f} for 1,000 tokens)"
    yield from _troubles(manifest)
    if counts.truncated:
        yield "cut", f"{counts.truncated:,} texts did not fit the context (meta.truncated)"
    for name, new in manifest.renamed_columns.items():
        yield "renamed", f"the input's column {name} is {new} in the output"
    yield "results", _folder_of(manifest.results, output)
    if counts.failed:
        yield "dead letters", _folder_of(manifest.dead_letters, output)


def _folder_of(files: Sequence[FileInfo], output: Path | str) -> str:
    """Where the files are: all in one folder."""
    return f"{output}/{files[0].path.rpartition('/')[0]}"


def _histories(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """How results came about, where more than one model or run had a part in it."""
    if manifest.cascade:
        yield "cascade", cascade_line(manifest.cascade)
    if manifest.redrives:
        last = manifest.redrives[-1]
        yield "redriven", f"{last.redriven:,} failed results, of which {last.recovered:,} are ok now"


def cascade_line(cascade: CascadeUse) -> str:
    """Who answered how many rows, and what is promised of it."""
    shared = ", ".join(f"{model.name} {model.rows:,}" for model in cascade.models)
    if cascade.target is None:
        return f"{shared}; by confidence, without a promise"
    if not cascade.proven:
        return f"a sample of {cascade.sample:,} rows proved no saving: {cascade.models[-1].name} answered all rows"
    promise = f"agreement of {cascade.target:.1%} with {cascade.models[-1].name}"
    return f"{shared}; {promise}, at {1 - cascade.delta:.0%} confidence, by a sample of {cascade.sample:,}"


def _saved_by(saved: Savings) -> str:
    parts = (("duplicates", saved.duplicates), ("store", saved.stored), ("prefix cache", saved.cached))
    return ", ".join(f"{name} {number:,}" for name, number in parts if number)


def _troubles(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What went wrong without ending the run."""
    deaths, damaged = manifest.incidents.engine_deaths, manifest.incidents.damaged_store_parts
    if deaths:
        yield "engine", f"died {deaths:,} times and was started again"
    if damaged:
        yield "store", f"{damaged:,} damaged parts were skipped; what they held was asked again"
    if lost := manifest.incidents.workers_lost:
        yield "workers", f"lost {lost:,} times and started again"
    if manifest.incomplete:
        yield "stopped", f"{manifest.incomplete}; the same command goes on with them"
    if manifest.counts.redacted:
        yield "redacted", ", ".join(f"{n:,} {kind}" for kind, n in manifest.counts.redacted.items())
    if manifest.counts.guarded:
        yield "guarded", f"{manifest.counts.guarded:,} requests without what gives the model orders in their texts"
    for skipped in manifest.skipped_inputs:
        yield "skipped", skipped.reason


def _checks(manifest: Manifest) -> list[tuple[str, CheckCounts]]:
    """The checks that anything was found out by, the least passed first."""
    known = [(name, c) for name, c in manifest.counts.checks.items() if c.passed + c.failed]
    return sorted(known, key=lambda item: item[1].passed / (item[1].passed + item[1].failed))


def print_rows(console: Console, manifest: Manifest, output: Path | str, num_rows: int) -> None:
    """The first results of a run, for people."""
    rows: list[dict[str, Any]] = []
    for file in manifest.results:
        if num_rows > len(rows):
            with open_parquet(f"{output}/{file.path}") as parquet:
                batch = next(parquet.iter_batches(num_rows - len(rows), columns=shown_columns(manifest)), None)
                rows += values_of(batch) if batch else []
    print_results(console, manifest, rows)


def shown_columns(manifest: Manifest) -> list[str]:
    """The columns of the results that `print_results` needs."""
    ours = (ID_COLUMN, STATUS_COLUMN, ERROR_COLUMN, CHECKS_COLUMN)
    return list(dict.fromkeys([*ours, *manifest.text_columns, *manifest.answer_columns]))


def print_results(console: Console, manifest: Manifest, found: Sequence[dict[str, Any]]) -> None:
    """Some results, of `shown_columns`, for people: a table where answers are short, else one block for each."""
    texts = manifest.text_columns
    if not found:
        return
    answers = [name for name in manifest.answer_columns if any(row[name] is not None for row in found)]
    answers = answers or list(manifest.answer_columns[:1])
    columns = list(dict.fromkeys([ID_COLUMN, *texts, *answers]))
    rows = [_filled(row, columns) for row in found]
    if all(len(_one_line(row.get(name))) <= _SHORT for row in rows for name in answers):
        console.print(
            plain_table(None, columns, [[in_one_cell(row.get(name), _TEXT_WIDTH) for name in columns] for row in rows])
        )
    else:
        for row in rows:
            console.print(_block(row, columns), soft_wrap=False)


def _filled(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """The row, with its error where its answer would be, and what is wrong with it by its checks."""
    if row[STATUS_COLUMN] == Status.FAILED:
        error = row[ERROR_COLUMN]
        return {**row, columns[-1]: f"{error['class']}: {error['message']}"}
    failed = [check for check in row.get(CHECKS_COLUMN) or () if not check["passed"]]
    return {**row, _FAILED_CHECKS: "; ".join(f"{c['name']}: {c['detail']}" for c in failed) or None}


def _block(row: dict[str, Any], columns: list[str]) -> Text:
    lines = Text(in_one_cell(row[ID_COLUMN], _BLOCK_WIDTH), style="bold")
    shown = [name for name in (*columns[1:], _FAILED_CHECKS) if row.get(name) not in (None, [], "")]
    for name in shown:
        lines.append(f"\n  {name}: ", style="dim not bold")
        lines.append(in_one_cell(row[name], _BLOCK_WIDTH), style="not bold")
    return lines.append("\n")


def in_one_cell(value: Any, width: int) -> str:
    """A value on one line, cut to a width, without control characters."""
    text = _one_line(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _one_line(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:+.2f}" if value < 0 else f"{value:.2f}"
        case bytes():
            value = value.decode(errors="replace")
        case list() if all(isinstance(part, str) for part in value):
            value = " · ".join(value)
        case list() if all(isinstance(part, dict) for part in value):
            value = " · ".join(" ".join(v for v in part.values() if isinstance(v, str)) for part in value)
    return printable(" ".join(str(value).split()))
