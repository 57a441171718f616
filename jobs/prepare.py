"""From a configuration to a plan: all that can be wrong is found here, before anything is spent."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from jobs.cascading.rule import CascadeRule
from jobs.config import JobConfig, nearest, validation_line
from jobs.redacting import redaction_of
from jobs.servers import server_spec
from jobs.tasks import find_task
from pipeline.adapters import adapted_options, read_card, refuse_other_prompts, with_adapter
from pipeline.budget import Budget
from pipeline.calibration import calibrate_task
from pipeline.cluster.where import Where, choose_where
from pipeline.columns import choose_column, choose_id_column, choose_text_column, describe_columns, is_text
from pipeline.completions import CompletionFolder
from pipeline.decoding import Choice, describe
from pipeline.elements import Question
from pipeline.engines.base import EngineNeeds, EngineSpec
from pipeline.engines.scripted import ScriptedSpec
from pipeline.engines.vllm_engine import VllmSpec, label_ids, vllm_version
from pipeline.errors import RowError, RunError, UsageError
from pipeline.flow import Plan
from pipeline.layout import OutputLayout
from pipeline.models import DEFAULT_CONTEXT_TOKENS, Model, Say, reasoning_parser_of, resolve_model
from pipeline.parts import Part, plan_parts, read_through
from pipeline.prompts import Recipe, Text, readable
from pipeline.requests import Prompter, PromptFitter, PromptRules
from pipeline.rows import longest_text_bytes
from pipeline.survey import Survey, survey
from pipeline.task import AnyTask, task_options
from pipeline.text.guard import VERSION as GUARD_VERSION
from pipeline.tokens import load_chat_template, load_tokenizer
from schemas.arrow import arrow_schema
from schemas.manifest import CalibrationUse, ModelInfo

_SLACK_TOKENS = 512
"""Room for constants that differ from the example's."""


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
    columns = _choose_columns(task_class, config, found.schema)
    id_column = choose_id_column(found.schema, config.id)
    parts = plan_parts(found.files, config.limit, config.sample, config.seed)

    model = _resolve(config, task_class.name, say)
    card = read_card(Path(config.adapter)) if config.adapter else None
    task = _task_of(config, model)
    _refuse_unknown_checks(task, config.require)
    config_args, reasoning_tokens = _reasoning(config, model)
    rules = _rules(config, model, task, reasoning_tokens)
    if card:
        refuse_other_prompts(card, task, Prompter(rules))
    needs = EngineNeeds(
        run_id=run_id,
        context_tokens=_context_needed(rules, task, _longest_text(parts, found.schema, columns)),
        model_folder=rules.model_folder,
        reasoning_tokens=reasoning_tokens,
        request_seconds=config.request_seconds,
        arguments=config_args,
    )
    engine = _engine_spec(config, needs, task, say)
    recipe = make_recipe(task, model, engine.identity(), rules)
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
            _marks(task, model, recipe),
        ),
        budget=Budget(tuple(sorted(config.budget.items())), time.time()),
        redaction=redaction_of(config, columns, found.schema, id_column),
    )
    info = ModelInfo(
        name=model.name,
        digest=model.digest,
        revision=model.revision,
        licence=model.licence,
        adapter=model.adapter,
        card=model.card,
    )
    return Prepared(plan, recipe, info, found, sum(part.rows for part in parts), calibration, where)


def _marks(task: AnyTask, model: Model, recipe: Recipe) -> dict[str, Any]:
    """What results files say of the columns that the model made; the run is in each row's `meta`."""
    whose = {"model": model.name, "model_digest": model.digest, "revision": model.revision, "licence": model.licence}
    return {"by": "language model", "task": task.name, "recipe": recipe.digest(), **whose}


def rebuild(config: JobConfig, model: Model) -> tuple[AnyTask, PromptRules]:
    """The task and the rules of prompts of a run, without its input: what it takes to ask the same again.

    Raises:
        UsageError: if the configuration does not fit the task or the model any more.
    """
    task = _task_of(config, model)
    return task, _rules(config, model, task, _reasoning(config, model)[1])


def _task_of(config: JobConfig, model: Model) -> AnyTask:
    options = config.options
    if config.adapter:
        options = adapted_options(read_card(Path(config.adapter)), options)
    return make_task(find_task(config.task), options, config.prompt_form, model)


def where_of(config: JobConfig) -> Where:
    """Where a job is to run; Beam's filesystems know its options from then on.

    Raises:
        UsageError: if that cannot be.
    """
    paths = (*config.inputs, config.output, config.store)
    return choose_where(config.workers, config.runner, config.beam_options, tuple(config.budget), paths)


def _refuse_input_in_output(found: Survey, output: str) -> None:
    folder = Path(output).expanduser().absolute()
    for path in (*(file.path for file in found.files), *(skipped.path for skipped in found.skipped)):
        is_there = path.startswith(f"{output.rstrip('/')}/") if "://" in path else folder in Path(path).parents
        if is_there:
            raise UsageError(f"the input {path} lies in the output folder, which the run would replace")


def _choose_columns(task: type[AnyTask], config: JobConfig, schema: pa.Schema) -> dict[str, str]:
    """Record field → column: as `--column` says, the first field as `--text` says, else by name."""
    fields = task.record.model_fields
    for name in config.columns:
        if name not in fields:
            raise UsageError(f"{task.name} reads no field {name!r}", nearest(name, fields))
    columns: dict[str, str] = {}
    for i, (name, info) in enumerate(fields.items()):
        given = config.columns.get(name) or (config.text if i == 0 else None)
        if i == 0 and info.annotation is str:
            columns[name] = choose_text_column(schema, given, name)
        elif (column := choose_column(schema, given, task.record.column_names(name), name)) is not None:
            columns[name] = column
        elif info.is_required():
            raise _no_column(task, (name,), schema)
    if (wanted := task.record.needs_one_of) and not set(wanted) & set(columns):
        raise _no_column(task, wanted, schema)
    return columns


def _no_column(task: type[AnyTask], fields: Sequence[str], schema: pa.Schema) -> UsageError:
    what = " or ".join(repr(name) for name in fields)
    hint = f"name one with --column {fields[0]}=COLUMN; the input has: {describe_columns(schema)}"
    return UsageError(f"{task.name} needs a column {what}", hint)


def _longest_text(parts: Sequence[Part], schema: pa.Schema, columns: Mapping[str, str]) -> int | None:
    """The most bytes of text of any row, or None where it does not show: a column that is not text."""
    if all(is_text(schema.field(column).type) for column in columns.values()):
        try:
            return longest_text_bytes(parts, list(columns.values()))
        except RunError as error:
            raise UsageError(error.message, error.hint) from None
    return None


def _resolve(config: JobConfig, task: str, say: Say) -> Model:
    if config.engine == "scripted":
        if config.adapter:
            raise UsageError("the scripted engine has no model to put --adapter on")
        name = scripted_name(config)
        return Model(name, None, name)
    if config.engine == "server":
        if config.adapter:
            raise UsageError("a server has its adapters itself", "name the one that it serves with --served-model")
        return resolve_model(config.model, config.revision, say)
    vllm_version()
    base = resolve_model(config.model, config.revision, say)
    return with_adapter(base, Path(config.adapter), task, say) if config.adapter else base


def scripted_name(config: JobConfig) -> str:
    """What the scripted engine is called: models that begin with `scripted` are different ones."""
    return config.model if config.model.startswith("scripted") else "scripted"


def make_task(task: type[AnyTask], options: Mapping[str, Any], form: str | None, model: Model) -> AnyTask:
    """The task with its options, and the form of prompt that was asked for or is best for the model.

    Raises:
        UsageError: for an unknown option or form, or a value that does not fit.
    """
    for key in options:
        if key not in task.options_model.model_fields:
            raise UsageError(f"unknown option {key!r} of {task.name}", nearest(key, task.options_model.model_fields))
    try:
        values = task_options(task, options)
    except ValidationError as error:
        raise UsageError(validation_line(error)) from None
    form = form or model.prompt_forms.get(task.name)
    if form is None:
        chat = model.folder is None or load_chat_template(model.folder) is not None
        form = next((f for f in task.forms if chat or f != "chat"), task.forms[0])
    if form not in task.forms:
        raise UsageError(f"{task.name} has no prompt form {form!r}", f"it has {' and '.join(task.forms)}")
    return task(values, form)


def _refuse_unknown_checks(task: AnyTask, required: Sequence[str]) -> None:
    for name in required:
        if name not in task.checks:
            known = dict.fromkeys(task.checks)
            raise UsageError(
                f"{task.name} has no check {name!r}", nearest(name, known) if known else "it has no checks at all"
            )


def _reasoning(config: JobConfig, model: Model) -> tuple[dict[str, Any], int]:
    """The engine's arguments with the parser of thoughts, and the tokens for thinking: none without a parser."""
    arguments = dict(config.engine_args)
    parser = config.reasoning_parser or arguments.get("reasoning_parser")
    if parser is None and model.folder is not None:
        parser = reasoning_parser_of(model.folder)
    if parser is None:
        return arguments, 0
    return {**arguments, "reasoning_parser": parser}, config.reasoning_tokens


def _first_questions(task: AnyTask) -> list[Question]:
    return [question for example in task.examples() for question in task.questions(example.record)]


def _rules(config: JobConfig, model: Model, task: AnyTask, reasoning_tokens: int) -> PromptRules:
    context = config.context_tokens or model.context_tokens or DEFAULT_CONTEXT_TOKENS
    folder = None if model.folder is None else str(model.folder)
    guard = config.guard and task.may_guard
    if model.folder is not None:
        for question in _first_questions(task):
            if isinstance(question.decoding, Choice):
                label_ids(question.decoding, load_tokenizer(model.folder))
        _check_context(model.folder, context)
    return PromptRules(folder, "", context, reasoning_tokens, config.on_too_long == "truncate", guard)


def _check_context(folder: Path, context: int) -> None:
    limit = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    if limit and context > limit:
        raise UsageError(f"--context-tokens {context} is more than the model's {limit}")


def _context_needed(rules: PromptRules, task: AnyTask, longest_bytes: int | None) -> int:
    """The context length that the data needs, in steps of 256 tokens: a token is at least a byte of text.

    Where a row may ask again, its answers are part of later prompts. None of the bytes known: all of the context.
    """
    if longest_bytes is None:
        return rules.context_tokens
    renderer, fitter = rules.renderer(), PromptFitter(rules.encoder())
    needed = 0
    for question in _first_questions(task):
        segments = renderer.render(question.prompt)
        constants = sum(fitter.count_constant(segment) for segment in segments if not isinstance(segment, Text))
        answer = rules.context_tokens - rules.room(question.decoding)
        needed = max(needed, constants + _SLACK_TOKENS + longest_bytes + task.rounds * answer)
    return min(rules.context_tokens, 256 * math.ceil(needed / 256))


def _engine_spec(config: JobConfig, needs: EngineNeeds, task: AnyTask, say: Say) -> EngineSpec:
    if config.engine == "server":
        return server_spec(config, needs, [question.decoding for question in _first_questions(task)], say)
    if config.endpoint:
        raise UsageError("--endpoint goes with --engine server")
    return ScriptedSpec(needs, model=scripted_name(config)) if config.engine == "scripted" else VllmSpec(needs)


def make_recipe(task: AnyTask, model: Model, engine: Mapping[str, Any], rules: PromptRules) -> Recipe:
    """What decides the answers of a run, as far as it is not in the rows."""
    prompter = Prompter(rules)
    try:
        questions = {
            question.name: {
                "prompt": readable(prompter.request(question)[0].segments),
                "decoding": describe(question.decoding),
            }
            for question in task.questions(task.examples()[0].record)
        }
    except RowError as error:
        hint = f"give more than {rules.context_tokens} with --context-tokens; its own example needs that"
        raise UsageError(f"the prompts of {task.name} do not fit the context: {error.message}", hint) from None
    return Recipe(
        task=task.name,
        task_version=task.version,
        questions=questions,
        model=model.name,
        model_digest=model.digest,
        revision=model.revision,
        engine=engine,
        context_tokens=rules.context_tokens,
        adapter=None if model.adapter is None else model.adapter.digest,
        guard=GUARD_VERSION if rules.guard else None,
    )
