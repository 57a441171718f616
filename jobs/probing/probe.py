"""A probe: the real job over counterfactual texts, and what it says of them."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from jobs.config import JobConfig
from jobs.evaluation.bootstrap import Resampling
from jobs.probing.measure import Answered, all_pairs, group_figures, worst_pairs
from jobs.probing.texts import Variant, read_variants
from jobs.run import run_job
from jobs.run_output import RunOutput
from jobs.settings import run_config
from jobs.tasks import find_task
from jobs.terminal import Terminal
from pipeline.errors import RunError, UsageError
from pipeline.run_folder import read_manifest
from pipeline.whole_files import write_whole
from schemas.envelope import Status
from schemas.manifest import Manifest
from schemas.probe import PROBE_NAME, Probe

_WORST = 20
_COLUMNS = ("label", "status")


def probe(config: JobConfig, file: Path | None, resampling: Resampling, now: datetime, terminal: Terminal) -> Probe:
    """Run a job over the texts of a probe and write `probe.json` into its folder.

    Args:
        config: the job; its inputs are replaced by a file of the texts beside its output.
        file: a set of texts of one's own.

    Raises:
        UsageError: if the task gives no label to each text, rows name adapters, or the set cannot be used.
        RunError: as for any job; or if no text has an answer.
    """
    task = find_task(config.task)
    if "label" not in task.result.model_fields or not {"score", "probabilities"} & set(task.result.model_fields):
        raise UsageError(f"{task.name} gives no label with probabilities to a text", "probe sentiment or classify")
    if config.adapters:
        as_it_is = "--set adapter_column=null --set adapters={}"
        hint = f"{as_it_is} probes the model as it is, and with --set adapter=DIR one of its adapters"
        raise UsageError("the texts of a probe name no adapter, as the rows of this job do", hint)
    variants = read_variants(file)
    output = Path(config.output).expanduser().absolute()
    texts = output.with_name(f"{output.name}-texts.parquet")
    _write_texts(texts, variants)
    whole: dict[str, Any] = {
        "inputs": (str(texts),),
        "text": "text",
        "id": "id",
        "columns": {},
        "limit": None,
        "sample": None,
        "redact_columns": (),
        "empty_columns": (),
        "cascade_by": None,
    }
    manifest = run_job(config.model_copy(update=whole), terminal)
    found = measured(variants, RunOutput(output, manifest), resampling, now)
    write_probe(output, found)
    return found


def _write_texts(file: Path, variants: Sequence[Variant]) -> None:
    rows = [
        {"id": f"{i:05d}", "text": v.text, "axis": v.axis, "group": v.group, "sentence": v.template, "tone": v.tone}
        for i, v in enumerate(variants)
    ]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        write_whole(str(file), sink.getvalue().to_pybytes())
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror}") from None


def measured(variants: Sequence[Variant], output: RunOutput, resampling: Resampling, now: datetime) -> Probe:
    """What the results of a run over these texts say, which are in their order.

    Raises:
        RunError: if there is nothing to compare.
    """
    manifest = output.manifest
    columns = [*_COLUMNS, *(name for name in ("score", "probabilities") if name in output.schema)]
    rows = output.rows(range(manifest.counts.results), columns)
    pairs = zip(variants, rows, strict=True)
    answered = [_answered(variant, row) for variant, row in pairs if row["status"] == Status.OK]
    groups = group_figures(answered, resampling)
    if not groups:
        raise RunError("no two texts that differ in the group have an answer", f"see {output.folder}")
    return Probe(
        run_id=manifest.run_id,
        task=manifest.task,
        model=manifest.model.name,
        recipe_digest=manifest.recipe_digest,
        probed=now,
        measure="score" if answered[0].score is not None else "probabilities",
        texts=len(variants),
        pairs=all_pairs(answered),
        failed=len(variants) - len(answered),
        resamples=resampling.resamples,
        seed=resampling.seed,
        groups=groups,
        worst=worst_pairs(answered, _WORST),
    )


def _answered(variant: Variant, row: dict[str, Any]) -> Answered:
    probabilities = tuple(one["probability"] for one in row.get("probabilities") or ())
    return Answered(variant, row["label"], row.get("score"), probabilities)


def write_probe(folder: Path, found: Probe) -> Path:
    """Put a probe into the folder of a run, whole, in place of an earlier one.

    Raises:
        RunError: if it cannot be written.
    """
    file = folder / PROBE_NAME
    try:
        write_whole(str(file), f"{found.model_dump_json(indent=2)}\n".encode())
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror}") from None
    return file


def probe_of(folder: Path, manifest: Manifest) -> Probe | None:
    """The probe in a run's folder, if there is one that is about its recipe and can be read."""
    try:
        found = Probe.model_validate_json((folder / PROBE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.recipe_digest == manifest.recipe_digest else None


def config_of(run: Path) -> JobConfig:
    """The job of a run, to be probed with.

    Raises:
        UsageError: if there is no complete run, or its config is of another version.
    """
    try:
        return JobConfig.model_validate({**run_config(read_manifest(run)), "budget": {}})
    except ValidationError:
        raise UsageError(f"the config of {run} is of another version of Textmill") from None


def out_of_bounds(found: Probe, max_shift: float | None, max_flips: float | None) -> list[str]:
    """The groups that are beyond a bound, in a line each."""
    lines = []
    for group in found.groups:
        name = f"{group.axis}: {group.group}"
        if max_shift is not None and abs(group.shift.value) > max_shift:
            lines.append(f"{name} shifts by {group.shift.value:+.3f}, more than {max_shift:g}")
        if max_flips is not None and group.flips.value > max_flips:
            lines.append(f"{name} flips {group.flips.value:.1%} of pairs, more than {max_flips:.1%}")
    return lines
