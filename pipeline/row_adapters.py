"""Adapters that rows name: one engine has them all, and puts on each row's own as it answers.

The model's weights are loaded once and rows of all adapters are computed together, where a merged model for each would
have to be loaded in turn. Rows without an adapter are answered by the model as it is, with the adapters' prompts.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.adapters import adapted_digest, adapter_digest, read_card, refuse_other_base
from pipeline.calibration import calibrate_task
from pipeline.errors import UsageError
from pipeline.models import Model
from pipeline.recipe import Recipe
from pipeline.task import AnyTask
from schemas.adapter import CALIBRATION_NAME, AdapterCard
from schemas.manifest import RowAdapterUse


@dataclass(frozen=True)
class RowAdapter:
    """An adapter under the name that rows have for it.

    Attributes:
        folder: absolute.
        digest: of its weights.
    """

    name: str
    folder: Path
    digest: str
    card: AdapterCard


@dataclass(frozen=True)
class Adapted:
    """What answers the rows that name one adapter.

    Attributes:
        name: as rows have it.
        model: the model's name, with the adapter's.
        task: its probabilities go through the calibration of this adapter.
        recipe: what decides these answers.
        use: for the manifest.
    """

    name: str
    model: str
    task: AnyTask
    recipe: Recipe
    use: RowAdapterUse


def read_adapters(folders: Mapping[str, str]) -> tuple[RowAdapter, ...]:
    """The adapters in these folders, by name.

    Raises:
        UsageError: if a folder holds none.
    """
    found = []
    for name, given in folders.items():
        folder = Path(given).expanduser().absolute()
        card = read_card(folder)
        found.append(RowAdapter(name, folder, adapter_digest(folder), card))
    return tuple(found)


def with_prompts_of(adapters: Iterable[RowAdapter], base: Model, task: str) -> Model:
    """The model, asked as the adapters were trained.

    Raises:
        UsageError: if one of them is for another model or task.
    """
    for one in adapters:
        if base.folder is None and one.card.model_digest != base.digest:
            said = f"the adapter {one.folder} is for {one.card.model}, not for {base.name}, which has no weights"
            raise UsageError(
                said, "leave out --engine scripted; to try the pipeline with it, --adapter-column and --adapters"
            )
        refuse_other_base(one.card, one.folder, task, base)
        base = replace(base, prompt_forms={task: one.card.prompt_form})
    return base


def adapt(one: RowAdapter, task: AnyTask, model: Model, recipe: Recipe) -> Adapted:
    """What answers the rows that name this adapter.

    Args:
        task, model, recipe: without it.

    Raises:
        UsageError: if a calibration is named for all, which can be of one model only.
    """
    own, name = copy(task), f"{model.name}+{one.name}"
    own.calibration = None  # the model's own, if there is one
    file = one.folder / CALIBRATION_NAME
    whole = replace(recipe, model=name, model_digest=adapted_digest(model.digest, one.digest))
    calibration = calibrate_task(own, whole, str(file) if file.is_file() else None)
    use = RowAdapterUse(folder=str(one.folder), digest=one.digest, model_digest=model.digest, calibration=calibration)
    return Adapted(one.name, name, own, replace(recipe, model=name, adapter=one.digest), use)
