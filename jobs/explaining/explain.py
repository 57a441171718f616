"""Where a row's answer came from: rebuilt from the manifest and the store, no engine asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.explaining.asking import Asker, adapter_columns, ask_store, make_asker
from jobs.explaining.explained import Asked, Explained, NamedAdapter, ResultRow
from jobs.explaining.rows import Found, find_results, is_input, origins, partition_of, plain, read_columns, read_values
from jobs.redacting import row_redaction
from jobs.run_output import RunOutput
from pipeline.elements import Outcome, Row, RowRef
from pipeline.errors import RowError
from pipeline.models import Say
from pipeline.outcomes import fail_row, settle_case
from pipeline.redaction import HiddenBatch
from pipeline.validation import case_of
from schemas.envelope import ERROR_COLUMN, META_COLUMN, NOTICE_COLUMN, REASONING_COLUMN, STATUS_COLUMN, Status
from schemas.manifest import MANIFEST_NAME
from schemas.results import CHECKS_COLUMN

_OURS = {STATUS_COLUMN, ERROR_COLUMN, META_COLUMN, REASONING_COLUMN, NOTICE_COLUMN, CHECKS_COLUMN}


def explain(output: Path, ids: Sequence[str], say: Say) -> list[Explained]:
    """All about the rows with some ids; several of one where ids are not unique.

    Raises:
        UsageError: if there is no complete run, no such row, or what the run was asked with is not to be had any more.
    """
    run = RunOutput.of(output)
    columns = sorted(adapter_columns(run.manifest))
    askers: dict[tuple[str | None, ...], Asker] = {}
    explained: list[Explained] = []
    for wanted in ids:
        found = find_results(run, wanted)
        while found:
            recipe = found[0].batch.column(META_COLUMN).to_pylist()[0]["recipe"]
            names = {column: partition_of(run.manifest, found[0].batch, column) for column in columns}
            key = (recipe, *names.values())
            if key not in askers:
                askers[key] = make_asker(run.manifest, recipe, names, say)
            one, num_results = _explain_row(run, askers[key], wanted, found)
            explained.append(one)
            found = found[num_results:]
    return explained


def _explain_row(run: RunOutput, asker: Asker, wanted: str, found: list[Found]) -> tuple[Explained, int]:
    manifest = run.manifest
    batch = read_columns(manifest, found[0].batch)
    redaction = row_redaction(asker.config, manifest.columns)
    hidden = HiddenBatch(batch, {}) if redaction is None else redaction.hide_batch(batch, [0])
    values = read_values(manifest, hidden.batch)
    ref = RowRef(0, 0)
    asked: list[Asked] = []
    adapter = partition_of(manifest, found[0].batch, asker.config.adapter_column)
    try:
        case = case_of(asker.task, Row(ref, dict(values), adapter), asker.rules.adapters)
        case, asked = ask_store(asker, case)
        outcomes = settle_case(asker.task, case, frozenset(asker.config.require))
    except RowError as error:
        outcomes = list(fail_row(asker.task, ref, error))
    if redaction is not None and redaction.restore:
        outcomes = [hidden.put_back(0, outcome) for outcome in outcomes]
    own = found[: max(1, len(outcomes))]
    is_whole = all(one.problem is None for one in asked)
    inputs = is_input(manifest, run.folder)
    results = [_result(one, outcome if is_whole else None, inputs) for one, outcome in zip(own, outcomes, strict=False)]
    told = Explained(
        id=wanted,
        run_id=manifest.run_id,
        task=manifest.task,
        model=manifest.model.model_dump(exclude={"adapters"}),
        adapter=_adapter(asker, adapter),
        recipe=own[0].batch.column(META_COLUMN).to_pylist()[0]["recipe"],
        store=asker.folder.path,
        manifest=str(run.folder / MANIFEST_NAME),
        origins=origins(manifest, wanted),
        read=plain(values),
        asked=asked,
        results=results,
        notes=list(asker.notes),
    )
    return told, len(own)


def _adapter(asker: Asker, name: str | None) -> NamedAdapter | None:
    digest = (asker.rules.adapters or {}).get(name or "")
    return NamedAdapter(name=name, folder=asker.config.adapters[name], digest=digest) if name and digest else None


def _result(found: Found, outcome: Outcome | None, inputs: set[str]) -> ResultRow:
    row = {name: found.batch.column(name).to_pylist()[0] for name in found.batch.schema.names if name not in inputs}
    values = {name: value for name, value in row.items() if name not in _OURS}
    checks = row.get(CHECKS_COLUMN) or []
    return ResultRow(
        file=found.file,
        row=found.row,
        values=values,
        status=row[STATUS_COLUMN],
        error=row[ERROR_COLUMN],
        checks=checks,
        meta=row[META_COLUMN],
        rebuilt=None if outcome is None else _is_same(outcome, {**values, CHECKS_COLUMN: checks}, row[STATUS_COLUMN]),
    )


def _is_same(outcome: Outcome, values: dict[str, Any], status: str) -> bool:
    if (outcome.failure is None) != (status == Status.OK):
        return False
    return outcome.failure is not None or all(
        values[name] == value for name, value in outcome.values.items() if name in values
    )
