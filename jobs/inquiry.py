"""From a configuration to what is asked: the model, the task, how prompts are made, the recipe that names it all."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobs.config import JobConfig, nearest, validation_line
from jobs.tasks import find_task
from pipeline.adapters import adapted_options, read_card, refuse_other_prompts, with_adapter
from pipeline.decoding import Choice, describe
from pipeline.elements import Question
from pipeline.engines.vllm_engine import label_ids
from pipeline.errors import RowError, UsageError
from pipeline.models import DEFAULT_CONTEXT_TOKENS, Model, Say, reasoning_parser_of, resolve_model
from pipeline.prompts import readable
from pipeline.recipe import Recipe
from pipeline.requests import Prompter, PromptFitter, PromptRules
from pipeline.row_adapters import RowAdapter, read_adapters, with_prompts_of
from pipeline.task import AnyTask, Options, task_options
from pipeline.text.guard import VERSION as GUARD_VERSION
from pipeline.tokens import load_chat_template, load_tokenizer
from schemas.adapter import AdapterCard

_SLACK_TOKENS = 512
"""Room for constants that differ from the example's."""


@dataclass(frozen=True)
class Inquiry:
    """What a run asks, apart from its rows and from the engine that answers.

    Attributes:
        model: its adapter merged into it.
        rules: how prompts are made; of no scope yet.
        engine_arguments: the configuration's, with the parser of thoughts.
        adapters: those that rows may name.
    """

    model: Model
    task: AnyTask
    rules: PromptRules
    engine_arguments: Mapping[str, Any]
    adapters: tuple[RowAdapter, ...] = ()


def inquiry_of(config: JobConfig, say: Say, fetches: bool = True) -> Inquiry:
    """What a configuration asks.

    Args:
        fetches: a model that is not on this machine is fetched; otherwise it is refused.

    Raises:
        UsageError: if the configuration does not fit the task or the model.
        RunError: if the model cannot be had.
    """
    adapters = read_adapters(config.adapters)
    cards = [read_card(Path(config.adapter))] if config.adapter else [one.card for one in adapters]
    card = cards[0] if cards else None
    model = with_prompts_of(adapters, _model_of(config, card, say, fetches), find_task(config.task).name)
    _refuse_other_options(adapters, find_task(config.task), config.options)
    options = adapted_options(card, config.options) if card else config.options
    task = make_task(find_task(config.task), options, config.prompt_form, model)
    engine_arguments, reasoning_tokens = _reasoning(config, model)
    rules = _rules(config, model, task, reasoning_tokens)
    for one, name in zip(cards, config.adapters or [""], strict=False):
        refuse_other_prompts(one, task, Prompter(rules), name)
    if config.adapters:
        rules = replace(rules, adapters={one.name: one.digest for one in adapters})
    return Inquiry(model, task, rules, engine_arguments, adapters)


def _refuse_other_options(adapters: Sequence[RowAdapter], task: type[AnyTask], given: Mapping[str, Any]) -> None:
    """All rows have the same options: those that the adapters were trained with, where nothing else is given."""
    settled = [_options_of(task, adapted_options(one.card, given)) for one in adapters]
    for other, options in zip(adapters[1:], settled[1:], strict=True):
        for key in task.options_model.model_fields:
            if getattr(options, key) != getattr(settled[0], key):
                raise UsageError(
                    f"the adapters {adapters[0].name} and {other.name} were trained with different options: {key}",
                    f"give {key}, which is then that of all rows; or run a job for each",
                )


def _model_of(config: JobConfig, card: AdapterCard | None, say: Say, fetches: bool = True) -> Model:
    """The model, its adapter merged into it; what is not on this machine is fetched or refused."""
    if config.adapter and config.engine == "scripted":
        raise UsageError("the scripted engine has no model to put --adapter on")
    if config.adapter and config.engine == "server":
        raise UsageError("a server has its adapters itself", "name the one that it serves with --served-model")
    if config.engine == "scripted":
        name = scripted_name(config)
        return Model(name, None, name)
    base = resolve_model(config.model, config.revision, say, fetches)
    if card is None or config.adapter is None:
        return base
    return with_adapter(base, Path(config.adapter), card, find_task(config.task).name, say)


def scripted_name(config: JobConfig) -> str:
    """What the scripted engine is called: models that begin with `scripted` are different ones."""
    return config.model if config.model.startswith("scripted") else "scripted"


def make_task(task: type[AnyTask], options: Mapping[str, Any], form: str | None, model: Model) -> AnyTask:
    """The task with its options, and the form of prompt that was asked for or is best for the model.

    Raises:
        UsageError: for an unknown option or form, or a value that does not fit.
    """
    values = _options_of(task, options)
    form = form or model.prompt_forms.get(task.name)
    if form is None:
        chat = model.folder is None or load_chat_template(model.folder) is not None
        form = next((f for f in task.forms if chat or f != "chat"), task.forms[0])
    if form not in task.forms:
        raise UsageError(f"{task.name} has no prompt form {form!r}", f"it has {' and '.join(task.forms)}")
    return task(values, form)


def _options_of(task: type[AnyTask], options: Mapping[str, Any]) -> Options:
    for key in options:
        if key not in task.options_model.model_fields:
            raise UsageError(f"unknown option {key!r} of {task.name}", nearest(key, task.options_model.model_fields))
    try:
        return task_options(task, options)
    except ValidationError as error:
        raise UsageError(validation_line(error)) from None


def _reasoning(config: JobConfig, model: Model) -> tuple[dict[str, Any], int]:
    """The engine's arguments with the parser of thoughts, and the tokens for thinking: none without a parser."""
    arguments = dict(config.engine_args)
    parser = config.reasoning_parser or arguments.get("reasoning_parser")
    if parser is None and model.folder is not None:
        parser = reasoning_parser_of(model.folder)
    if parser is None:
        return arguments, 0
    return {**arguments, "reasoning_parser": parser}, config.reasoning_tokens


def first_questions(task: AnyTask) -> list[Question]:
    """Those that it asks first about its examples."""
    return [question for example in task.examples() for question in task.questions(example.record)]


def _rules(config: JobConfig, model: Model, task: AnyTask, reasoning_tokens: int) -> PromptRules:
    context = config.context_tokens or model.context_tokens or DEFAULT_CONTEXT_TOKENS
    folder = None if model.folder is None else str(model.folder)
    guard = config.guard and task.may_guard
    if model.folder is not None:
        for question in first_questions(task):
            if isinstance(question.decoding, Choice):
                label_ids(question.decoding, load_tokenizer(model.folder))
        _check_context(model.folder, context)
    return PromptRules(folder, "", context, reasoning_tokens, config.on_too_long == "truncate", guard)


def _check_context(folder: Path, context: int) -> None:
    limit = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    if limit and context > limit:
        raise UsageError(f"--context-tokens {context} is more than the model's {limit}")


def context_needed(rules: PromptRules, task: AnyTask, longest_bytes: int | None) -> int:
    """The context length that the data needs, in steps of 256 tokens: a token is at least a byte of text.

    Where a row may ask again, its answers are part of later prompts. None of the bytes known: all of the context.
    """
    if longest_bytes is None:
        return rules.context_tokens
    renderer, fitter = rules.renderer(), PromptFitter(rules.encoder())
    needed = 0
    for question in first_questions(task):
        frame, _ = renderer.rendered(question.prompt)
        constants = fitter.count_constants(frame)
        answer = rules.context_tokens - rules.room(question.decoding)
        needed = max(needed, constants + _SLACK_TOKENS + longest_bytes + task.rounds * answer)
    return min(rules.context_tokens, 256 * math.ceil(needed / 256))


def make_recipe(task: AnyTask, model: Model, engine: Mapping[str, Any], rules: PromptRules) -> Recipe:
    """What decides the answers of a run, as far as it is not in the rows."""
    prompter = Prompter(rules)
    try:
        questions = {
            question.name: {
                "prompt": readable(prompter.request(question).request.segments),
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
