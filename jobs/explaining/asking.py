"""A row's questions asked once more, of the store instead of an engine: by the code and the rules of the run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobs.cascading.setup import configs_of
from jobs.config import JobConfig
from jobs.explaining.explained import Asked
from jobs.inquiry import inquiry_of, make_recipe
from jobs.settings import change, run_config
from pipeline.answers import choice_probabilities
from pipeline.calibration import calibration_digest, read_calibration
from pipeline.completions import CompletionFolder
from pipeline.decoding import Choice, describe
from pipeline.elements import Answer, Case, Completion, Failure, Question, Request
from pipeline.errors import RowError, UsageError
from pipeline.models import Say
from pipeline.prompts import Text, readable
from pipeline.recipe import Recipe
from pipeline.requests import Prompter, PromptRules
from pipeline.row_adapters import adapt
from pipeline.store_index import index_of
from pipeline.store_parts import read_fingerprints
from pipeline.task import AnyTask
from schemas.envelope import ErrorClass
from schemas.manifest import CalibrationUse, Manifest, RowAdapterUse

_COLUMN = "adapter_column"


@dataclass(frozen=True)
class Asker:
    """What a run asked with.

    Attributes:
        config: its settings; a redrive's, where the row is from there.
        recipe: of the row, rebuilt; equal to the run's unless a note says otherwise.
        rules: how prompts are made, with the scope of the store.
        adapter: the name in the rows that it asked for; None: rows of none, and those that were not asked for.
    """

    config: JobConfig
    task: AnyTask
    recipe: Recipe
    rules: PromptRules
    folder: CompletionFolder
    notes: tuple[str, ...]
    adapter: str | None = None


def adapter_columns(manifest: Manifest) -> set[str]:
    """The columns by which rows named their adapters, in the run and in its redrives."""
    return {named for said in (manifest.config, *(r.set for r in manifest.redrives)) if (named := said.get(_COLUMN))}


def make_asker(manifest: Manifest, recipe_digest: str, names: Mapping[str, str | None], say: Say) -> Asker:
    """What a row was asked with, found by its recipe and the adapter that it names.

    It is of the run's own settings, of a redrive's, or of a cheaper model of both. The recipe alone does not tell: one
    adapter may have several names, some of them in a redrive only.

    Args:
        names: what the row has in each of `adapter_columns`.

    Raises:
        UsageError: if the task, its options or the model are not to be had any more.
    """
    tried: list[Asker] = []
    for config, adapters in _configs(manifest):
        for alone in reversed(configs_of(config)):
            for asker in _askers(manifest, alone, adapters, say):
                tried.append(asker)
                is_of_row = asker.adapter in (None, names.get(alone.adapter_column or ""))
                if is_of_row and asker.recipe.digest() == recipe_digest:
                    return asker
    note = (
        "the prompts below are not surely those of the run: its recipe cannot be rebuilt here "
        f"({recipe_digest}, now {tried[0].recipe.digest()}): task, options, model or Textmill have changed"
    )
    return replace(tried[0], notes=(*tried[0].notes, note))


def _configs(manifest: Manifest) -> Iterator[tuple[JobConfig, Mapping[str, RowAdapterUse]]]:
    """The settings of the run and of its redrives, the last one first, each with the adapters that it had."""
    run = run_config(manifest)
    yield change(run, {}), manifest.model.adapters
    for redrive in reversed(manifest.redrives):
        folders = {name: use.folder for name, use in redrive.adapters.items()}
        config = change(run, redrive.set)
        yield config.model_copy(update={"adapters": {**config.adapters, **folders}}), redrive.adapters


def _askers(manifest: Manifest, config: JobConfig, adapters: Mapping[str, RowAdapterUse], say: Say) -> Iterator[Asker]:
    """What asked the rows of no adapter, and those of each adapter that rows could name."""
    inquiry = inquiry_of(config, say, fetches=False)
    model, task, rules = inquiry.model, inquiry.task, inquiry.rules
    recipe = make_recipe(task, model, manifest.recipe["engine"], rules)
    notes: list[str] = []
    if manifest.calibration is not None and model.digest == manifest.model.digest:
        try:
            calibration = read_calibration(manifest.calibration.file)
            if calibration_digest(calibration) == manifest.calibration.digest:
                task.calibration = calibration
            else:
                notes.append(f"the calibration {manifest.calibration.file} was changed since the run")
        except UsageError as error:
            notes.append(error.message)
    scope = recipe.scope()
    folder = CompletionFolder.of(config.store, scope)
    plain = Asker(config, task, recipe, replace(rules, scope=scope), folder, tuple(notes))
    yield plain
    for one in inquiry.adapters:
        own = adapt(one, task, model, recipe)
        used = adapters.get(one.name)
        changed = used is not None and _digest(used.calibration) != _digest(own.use.calibration)
        note = f"the calibration of the adapter {one.name} was changed since the run"
        yield replace(
            plain, task=own.task, recipe=own.recipe, notes=(*notes, *([note] if changed else ())), adapter=one.name
        )


def _digest(calibration: CalibrationUse | None) -> str | None:
    return None if calibration is None else calibration.digest


def ask_store(asker: Asker, case: Case) -> tuple[Case, list[Asked]]:
    """Every request of a row, round by round, with the answers that the store has; the case has them, too.

    Once an answer is missing nothing more is asked: what follows depends on it.
    """
    prompter = Prompter(asker.rules)
    index = index_of(asker.folder)
    index.refresh()
    asked: list[Asked] = []
    for number in range(1, asker.task.rounds + 1):
        questions = asker.task.ask(case.record, case.answers)
        if not questions:
            break
        answers: dict[str, Answer] = {}
        for question in questions:
            one, answer = _look_up(asker, prompter, question, case.adapter, number, index.find)
            asked.append(one)
            answers[question.name] = answer
        truncated = case.truncated or any(one.truncated for one in asked)
        case = case._replace(answers={**case.answers, **answers}, truncated=truncated)
        if any(one.problem and one.answer is None for one in asked):
            break
    return case, asked


def _look_up(
    asker: Asker, prompter: Prompter, question: Question, adapter: str | None, number: int, find: Any
) -> tuple[Asked, Answer]:
    try:
        request, truncated, guarded = prompter.request(question, adapter)
    except RowError as error:
        said = Asked(
            round=number,
            name=question.name,
            fingerprint="",
            prompt="",
            row_text=[],
            decoding=describe(question.decoding),
            problem=f"was not asked: {error}",
        )
        return said, Failure(error.error_class, error.message)
    completion = find([request.fingerprint]).get(request.fingerprint)
    told = {
        "round": number,
        "name": question.name,
        "fingerprint": request.fingerprint.hex(),
        "prompt": readable(request.segments),
        "row_text": [s.value for s in request.segments if isinstance(s, Text)],
        "guarded": guarded,
        "truncated": truncated,
        "decoding": describe(request.decoding),
    }
    if completion is None:
        problem = "the store has no answer: it failed, was removed, or another store was used"
        return Asked(**told, problem=problem), Failure(ErrorClass.INVALID_ANSWER, problem)
    return Asked(**told, **_answered(asker, request, completion)), completion


def _answered(asker: Asker, request: Request, completion: Completion) -> dict[str, Any]:
    probabilities = None
    if isinstance(request.decoding, Choice):
        probabilities = choice_probabilities(completion, request.decoding.labels)
    return {
        "answer": completion.text,
        "reasoning": completion.reasoning,
        "probabilities": probabilities,
        "prompt_tokens": completion.prompt_tokens,
        "cached_prompt_tokens": completion.cached_prompt_tokens,
        "output_tokens": completion.output_tokens,
        "finish_reason": completion.finish_reason,
        "run_id": completion.run_id,
        "stored_in": _part_of(asker.folder, request.fingerprint),
    }


def _part_of(folder: CompletionFolder, fingerprint: bytes) -> str | None:
    """The oldest part that has an answer: the one that is taken."""
    for path in folder.parts():
        try:
            if (read_fingerprints(path) == fingerprint).any():
                return path
        except FileNotFoundError:
            continue
    return None
