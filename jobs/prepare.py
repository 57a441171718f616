"""From a configuration to a plan: all that can be wrong is found here, before anything is spent."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.cascading.rule import CascadeRule
from jobs.config import JobConfig, nearest
from jobs.inquiry import context_needed, first_questions, inquiry_of, make_recipe, scripted_name
from jobs.record_columns import choose_columns
from jobs.redacting import redaction_of
from jobs.servers import server_spec
from jobs.tasks import find_task
from pipeline.budget import Budget
from pipeline.calibration import calibrate_task
from pipeline.cluster.where import Paths, Where, choose_where
from pipeline.columns import choose_id_column, describe_columns, is_text
from pipeline.completions import CompletionFolder
from pipeline.engines.base import AdapterFiles, EngineNeeds, EngineSpec
from pipeline.engines.lora import lora_arguments
from pipeline.engines.scripted import ScriptedSpec
from pipeline.engines.vllm_engine import VllmSpec
from pipeline.engines.vllm_settings import vllm_version
from pipeline.errors import RunError, UsageError
from pipeline.flow import Plan
from pipeline.layout import OutputLayout
from pipeline.models import Model, Say
from pipeline.parts import Part, plan_parts, read_through
from pipeline.recipe import Recipe
from pipeline.redaction import Redaction
from pipeline.row_adapters import adapt
from pipeline.rows import longest_text_bytes
from pipeline.survey import Survey, survey
from pipeline.task import AnyTask
from schemas.arrow import arrow_schema
from schemas.manifest import CalibrationUse, ModelInfo


@dataclass(frozen=True)
class Prepared:
    """A run that can start.

    Attributes:
        plan: for the pipeline.
        recipe: what decides the answers.
        model: for the manifest.
        survey: what is read, and what is left out.
        rows: how many rows of it.
        calibration: the one that is used, for the manifest.
        where: the pipeline runs.
        cascade: how rows are shared with cheaper models.
    """

    plan: Plan
    recipe: Recipe
    model: ModelInfo
    survey: Survey
    rows: int
    calibration: CalibrationUse | None
    where: Where
    cascade: CascadeRule | None = None


def prepare(config: JobConfig, run_id: str, building: Path | str, say: Say) -> Prepared:
    """Settle everything about a run.

    Args:
        building: where the results are to be written.
        say: told what takes a while.

    Raises:
        UsageError: if the configuration does not fit the input, the task or the model.
        RunError: if the model or the engine cannot be had.
    """
    task_class = find_task(config.task)
    where = where_of(config)
    found = survey(config.inputs, read_through if config.skip_bad_files else None)
    _refuse_input_in_output(found, config.output)
    columns = choose_columns(task_class, found.schema, config.columns, config.text)
    id_column = choose_id_column(found.schema, config.id)
    parts = plan_parts(found.files, config.limit, config.sample, config.seed)

    if config.engine == "vllm":
        vllm_version()
    asked = inquiry_of(config, say)
    model, task, rules = asked.model, asked.task, asked.rules
    _refuse_unknown_checks(task, config.require)
    redaction = redaction_of(config, columns, found.schema, id_column)
    _refuse_adapter_column(config.adapter_column, found.schema, redaction)
    _say_who_names_none(config.adapter_column, found, say)
    lora_arguments(str(one.folder) for one in asked.adapters)  # refused now: an engine starts late
    needs = EngineNeeds(
        run_id=run_id,
        context_tokens=context_needed(rules, task, _longest_text(parts, found.schema, columns)),
        model_folder=rules.model_folder,
        reasoning_tokens=rules.reasoning_tokens,
        request_seconds=config.request_seconds,
        arguments=asked.engine_arguments,
        adapters={one.name: AdapterFiles(str(one.folder), one.digest) for one in asked.adapters},
    )
    engine = _engine_spec(config, needs, task, say)
    recipe = make_recipe(task, model, engine.identity(), rules)
    adapted = [adapt(one, task, model, recipe) for one in asked.adapters]
    whole = replace(recipe, adapters={one.name: one.use.digest for one in adapted}) if adapted else recipe
    calibration = calibrate_task(task, recipe, model.calibrations.get(task.name))
    plan = Plan(
        task=task,
        required=config.require,
        parts=tuple(parts),
        columns=columns,
        rules=replace(rules, scope=recipe.scope()),
        engine=engine,
        run_id=run_id,
        store=CompletionFolder.of(config.store, recipe.scope()),
        folder=str(building),
        layout=OutputLayout(
            found.schema,
            id_column,
            arrow_schema(task.result),
            model.name,
            recipe.digest(),
            config.keep_reasoning,
            config.notice,
            _marks(task, model, whole),
            adapted=tuple((one.model, one.recipe.digest()) for one in adapted),
        ),
        budget=Budget(tuple(sorted(config.budget.items())), time.time()),
        redaction=redaction,
        partition=config.adapter_column,
        adapted={one.name: one.task for one in adapted},
    )
    info = ModelInfo(
        name=model.name,
        digest=model.digest,
        revision=model.revision,
        licence=model.licence,
        adapter=model.adapter,
        adapters={one.name: one.use for one in adapted},
        card=model.card,
    )
    return Prepared(plan, whole, info, found, sum(part.rows for part in parts), calibration, where)


def _marks(task: AnyTask, model: Model, recipe: Recipe) -> dict[str, Any]:
    """What results files say of the columns that the model made; the run is in each row's `meta`."""
    whose = {"model": model.name, "model_digest": model.digest, "revision": model.revision, "licence": model.licence}
    return {"by": "language model", "task": task.name, "recipe": recipe.digest(), **whose}


def _refuse_adapter_column(column: str | None, schema: pa.Schema, redaction: Redaction | None) -> None:
    """What it holds, where it is no name, is in the errors of dead letters."""
    if column is None:
        return
    if column not in schema.names:
        raise UsageError(f"the input has no column {column!r}", f"it has: {describe_columns(schema)}")
    if redaction is not None and column in (*redaction.fields, *redaction.columns, *redaction.emptied):
        raise UsageError(f"--adapter-column {column}: its values would be in errors, and it is redacted")


def _say_who_names_none(column: str | None, found: Survey, say: Say) -> None:
    """A file without the column is no error, for its rows are as those of null are; but it may be a wrong one."""
    if column is not None and (paths := found.lacking.get(column)):
        several = f"{len(paths):,} of the input's {len(found.files):,} files, {paths[0]} for one, have"
        whose = f"{paths[0]} has" if len(paths) == 1 else several
        say(f"{whose} no column {column!r}: such rows are answered by the model as it is")


def where_of(config: JobConfig) -> Where:
    """Where a job is to run; Beam's filesystems know its options from then on.

    Raises:
        UsageError: if that cannot be.
    """
    paths = Paths(tuple(config.inputs), config.output, config.store)
    return choose_where(config.workers, config.runner, config.beam_options, tuple(config.budget), paths)


def _refuse_input_in_output(found: Survey, output: str) -> None:
    folder = Path(output).expanduser().absolute()
    for path in (*(file.path for file in found.files), *(skipped.path for skipped in found.skipped)):
        is_there = path.startswith(f"{output.rstrip('/')}/") if "://" in path else folder in Path(path).parents
        if is_there:
            raise UsageError(f"the input {path} lies in the output folder, which the run would replace")


def _longest_text(parts: Sequence[Part], schema: pa.Schema, columns: Mapping[str, str]) -> int | None:
    """The most bytes of text of any row, or None where it does not show: a column that is not text."""
    if all(is_text(schema.field(column).type) for column in columns.values()):
        try:
            return longest_text_bytes(parts, list(columns.values()))
        except RunError as error:
            raise UsageError(error.message, error.hint) from None
    return None


def _refuse_unknown_checks(task: AnyTask, required: Sequence[str]) -> None:
    for name in required:
        if name not in task.checks:
            known = dict.fromkeys(task.checks)
            raise UsageError(
                f"{task.name} has no check {name!r}", nearest(name, known) if known else "it has no checks at all"
            )


def _engine_spec(config: JobConfig, needs: EngineNeeds, task: AnyTask, say: Say) -> EngineSpec:
    if config.engine == "server":
        return server_spec(config, needs, [question.decoding for question in first_questions(task)], say)
    if config.endpoint:
        raise UsageError("--endpoint goes with --engine server")
    return ScriptedSpec(needs, model=scripted_name(config)) if config.engine == "scripted" else VllmSpec(needs)
