"""From a configuration to a plan: all that can be wrong is found here, before anything is spent."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from jobs.config import JobConfig, nearest, validation_line
from jobs.tasks import find_task
from pipeline.completions import CompletionFolder
from pipeline.decoding import Choice, describe
from pipeline.engines.base import EngineNeeds, EngineSpec
from pipeline.engines.scripted import ScriptedSpec
from pipeline.engines.vllm_engine import VllmSpec, label_ids, vllm_version
from pipeline.errors import UsageError
from pipeline.flow import Plan
from pipeline.models import DEFAULT_CONTEXT_TOKENS, Model, Say, resolve_model
from pipeline.outputs import OutputLayout
from pipeline.prompts import Recipe, Segment, Text, readable
from pipeline.requests import PromptRules
from pipeline.rows import (
    InputFile,
    choose_column,
    choose_id_column,
    choose_text_column,
    longest_text_bytes,
    plan_parts,
    survey,
)
from pipeline.task import AnyTask, task_options
from pipeline.tokens import ModelTokenizer, load_chat_template
from schemas.manifest import ModelInfo

_SLACK_TOKENS = 512
"""Room for constants that differ from the example's."""


@dataclass(frozen=True)
class Prepared:
    """A run that can start.

    Attributes:
        plan: for the pipeline.
        recipe: what decides the answers.
        model: for the manifest.
        files: what is read.
        rows: how many rows of it.
    """

    plan: Plan
    recipe: Recipe
    model: ModelInfo
    files: tuple[InputFile, ...]
    rows: int


def prepare(config: JobConfig, run_id: str, building: Path, say: Say) -> Prepared:
    """Settle everything about a run.

    Args:
        building: where the results are to be written.
        say: told what takes a while.

    Raises:
        UsageError: if the configuration does not fit the input, the task or the model.
        RunError: if the model or the engine cannot be had.
    """
    task_class = find_task(config.task)
    found = survey(config.inputs)
    _refuse_input_in_output(found.files, Path(config.output))
    columns = _choose_columns(task_class, config, found.schema)
    id_column = choose_id_column(found.schema, config.id)
    parts = plan_parts(found.files, config.limit, config.sample, config.seed)

    model = _resolve(config, say)
    task = _make_task(task_class, config, model)
    rules = _rules(config, model, task)
    sample = rules.renderer().render(task.prompt(task.examples()[0].record))
    needs = EngineNeeds(
        decoding=task.decoding(),
        run_id=run_id,
        context_tokens=_context_needed(rules, sample, task, longest_text_bytes(parts, list(columns.values()))),
        model_folder=rules.model_folder,
        arguments=config.engine_args,
    )
    engine = _engine_spec(config, needs)
    recipe = _recipe(task, model, engine, rules, sample)
    rules = PromptRules(rules.model_folder, recipe.digest(), rules.max_prompt_tokens, rules.truncate)
    plan = Plan(
        task=task,
        parts=tuple(parts),
        columns=columns,
        rules=rules,
        engine=engine,
        store=CompletionFolder.of(config.store, recipe.digest()),
        folder=str(building),
        layout=OutputLayout(found.schema, id_column, task.result, model.name, recipe.digest()),
    )
    info = ModelInfo(name=model.name, digest=model.digest, revision=model.revision, licence=model.licence)
    return Prepared(plan, recipe, info, found.files, sum(part.rows for part in parts))


def _refuse_input_in_output(files: tuple[InputFile, ...], output: Path) -> None:
    folder = output.expanduser().absolute()
    for file in files:
        if "://" not in file.path and folder in Path(file.path).parents:
            raise UsageError(f"the input {file.path} lies in the output folder, which the run would replace")


def _choose_columns(task: type[AnyTask], config: JobConfig, schema: pa.Schema) -> dict[str, str]:
    """Record field → column: the first field by `--text`, any other by its own name."""
    columns: dict[str, str] = {}
    for i, (name, info) in enumerate(task.record.model_fields.items()):
        if i == 0 and info.annotation is str:
            columns[name] = choose_text_column(schema, config.text, name)
        elif (column := choose_column(schema, None, (name,), name)) is not None:
            columns[name] = column
        elif info.is_required():
            raise UsageError(f"{task.name} needs a column {name!r}")
    return columns


def _resolve(config: JobConfig, say: Say) -> Model:
    if config.engine == "scripted":
        return Model("scripted", None, "scripted")
    vllm_version()
    return resolve_model(config.model, config.revision, say)


def _make_task(task: type[AnyTask], config: JobConfig, model: Model) -> AnyTask:
    for key in config.options:
        if key not in task.options_model.model_fields:
            raise UsageError(f"unknown option {key!r} of {task.name}", nearest(key, task.options_model.model_fields))
    try:
        options = task_options(task, config.options)
    except ValidationError as error:
        raise UsageError(validation_line(error)) from None
    form = config.prompt_form or model.prompt_forms.get(task.name)
    if form is None:
        chat = model.folder is None or load_chat_template(model.folder) is not None
        form = next((f for f in task.forms if chat or f != "chat"), task.forms[0])
    if form not in task.forms:
        raise UsageError(f"{task.name} has no prompt form {form!r}", f"it has {' and '.join(task.forms)}")
    return task(options, form)


def _rules(config: JobConfig, model: Model, task: AnyTask) -> PromptRules:
    context = config.context_tokens or model.context_tokens or DEFAULT_CONTEXT_TOKENS
    room = context - task.decoding().max_tokens
    folder = None if model.folder is None else str(model.folder)
    if model.folder is not None:
        if isinstance(decoding := task.decoding(), Choice):
            label_ids(decoding, ModelTokenizer(model.folder))
        _check_context(model.folder, context)
    return PromptRules(folder, "", room, config.on_too_long == "truncate")


def _check_context(folder: Path, context: int) -> None:
    limit = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    if limit and context > limit:
        raise UsageError(f"--context-tokens {context} is more than the model's {limit}")


def _context_needed(rules: PromptRules, sample: tuple[Segment, ...], task: AnyTask, longest_bytes: int) -> int:
    """The context length that the data needs, in steps of 256 tokens: a token is at least a byte of text."""
    encoder = rules.encoder()
    constants = sum(len(encoder.encode(segment)) for segment in sample if not isinstance(segment, Text))
    answer = task.decoding().max_tokens
    needed = constants + _SLACK_TOKENS + longest_bytes + answer
    return min(rules.max_prompt_tokens + answer, 256 * math.ceil(needed / 256))


def _engine_spec(config: JobConfig, needs: EngineNeeds) -> EngineSpec:
    return ScriptedSpec(needs) if config.engine == "scripted" else VllmSpec(needs)


def _recipe(task: AnyTask, model: Model, engine: EngineSpec, rules: PromptRules, sample: tuple[Segment, ...]) -> Recipe:
    return Recipe(
        task=task.name,
        task_version=task.version,
        prompt=readable(sample),
        decoding=describe(task.decoding()),
        model=model.name,
        model_digest=model.digest,
        revision=model.revision,
        engine=engine.identity(),
        context_tokens=rules.max_prompt_tokens + task.decoding().max_tokens,
    )
