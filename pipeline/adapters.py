"""Adapters at work: read, named by a digest, and merged once into a model of their own that is kept.

One adapter for all rows is merged, on a GPU, too: a merged model answers as fast as any, and where the engine puts the
adapter on, a CPU answers at about .8 of that (README, "Why it is built this way"). Adapters that rows name are put on
by the engine (`pipeline.row_adapters`).
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from pipeline.decoding import Choice, Decoding, FreeText, Json, describe
from pipeline.errors import RunError, UsageError, first_line
from pipeline.fingerprints import fingerprint
from pipeline.models import Model, Say, models_folder
from pipeline.requests import Prompter
from pipeline.task import AnyTask
from schemas.adapter import CALIBRATION_NAME, CARD_NAME, PEFT_NAME, WEIGHTS_NAME, AdapterCard
from schemas.manifest import AdapterUse

_LIBRARIES_BYTES = 600_000_000
"""Of torch, transformers and peft, loaded."""


def read_card(folder: Path) -> AdapterCard:
    """The card of an adapter.

    Raises:
        UsageError: if the folder holds none.
    """
    folder = folder.expanduser()
    for name in (CARD_NAME, PEFT_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise UsageError(f"{folder} is no adapter: it has no {name}", "textmill finetune writes them")
    try:
        return AdapterCard.model_validate_json((folder / CARD_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"the adapter's card {folder / CARD_NAME} cannot be read: {first_line(error)}") from None


def adapter_digest(folder: Path) -> str:
    """sha256 over what decides an adapter's answers: its weights and how they are put on."""
    digest = hashlib.sha256()
    for name in (PEFT_NAME, WEIGHTS_NAME):
        with (folder / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


_MERGE_VERSION = 2
"""Raise it when a merge comes to mean other weights: they are kept, and answers are, by the digest."""


def adapted_digest(model_digest: str, adapter: str) -> str:
    """Names a model together with an adapter."""
    return hashlib.sha256(f"{model_digest}+{adapter}+{_MERGE_VERSION}".encode()).hexdigest()


def prompt_digests(task: AnyTask, prompter: Prompter) -> dict[str, str]:
    """Question name → digest of its rendered prompt and kind of answer, for the first example of the task that has it.

    How words are drawn, and how many, is no part of it: what a model was trained on does not depend on that.
    """
    found: dict[str, str] = {}
    for question in (q for example in task.examples() for q in task.questions(example.record)):
        if question.name not in found:
            request = prompter.request(question).request
            kind = _kind(question.decoding)
            found[question.name] = fingerprint(str(describe(kind)["kind"]), request.segments, kind).hex()
    return found


def _kind(decoding: Decoding) -> Decoding:
    match decoding:
        case Choice():
            return decoding
        case Json(schema=schema):
            return Json(schema, 0)
        case FreeText():
            return FreeText(0)


def with_adapter(base: Model, folder: Path, card: AdapterCard, task: str, say: Say) -> Model:
    """The model with an adapter merged into its weights, which is done once and kept.

    Raises:
        UsageError: if the adapter is for another task or model.
        RunError: if it cannot be merged.
    """
    folder = folder.expanduser().absolute()
    refuse_other_base(card, folder, task, base)
    if base.folder is None:
        raise UsageError(f"{base.name} has no weights to put the adapter {folder} on")
    adapter = AdapterUse(folder=str(folder), digest=adapter_digest(folder), model_digest=base.digest)
    digest = adapted_digest(base.digest, adapter.digest)
    calibration = folder / CALIBRATION_NAME
    return replace(
        base,
        name=f"{base.name}+{folder.name}",
        folder=_merged(base.folder, folder, models_folder() / f"merged-{digest[:24]}", say),
        digest=digest,
        adapter=adapter,
        prompt_forms={card.task: card.prompt_form},
        calibrations={card.task: str(calibration)} if calibration.is_file() else {},
    )


def refuse_other_base(card: AdapterCard, folder: Path, task: str, base: Model) -> None:
    """An adapter changes the weights of one model, for one task.

    Raises:
        UsageError: if it is for another one.
    """
    if card.task != task:
        raise UsageError(f"the adapter {folder} is for {card.task}, not for {task}")
    if card.model_digest != base.digest:
        raise UsageError(f"the adapter {folder} is for {card.model}, not for {base.name}", f"give --model {card.model}")


def refuse_other_prompts(card: AdapterCard, task: AnyTask, prompter: Prompter, name: str = "") -> None:
    """An adapter is worth something for the prompts that it was trained on only.

    Args:
        name: of the adapter, where there are several.

    Raises:
        UsageError: if a question that it was trained on is asked in other words or with other labels, or none is asked,
            or none of one of a row's results.
    """
    digests = prompt_digests(task, prompter)
    asked = {name: digest for name, digest in digests.items() if name in card.prompts}
    which = f"the adapter {name + ' ' if name else ''}"
    if task.version != card.task_version or not asked or not asked.items() <= card.prompts.items():
        raise UsageError(
            f"{which}was trained on other prompts or labels",
            "leave out the options and --prompt-form that change the prompt, or train one for them",
        )
    learnt = set(card.prompts.values())
    for index, told in enumerate(task.branches(None)):
        own = {digest for name, digest in digests.items() if task.concerns(name, index)}
        if own and not own & learnt:
            what = ", ".join(f"{key} {value}" for key, value in told.items())
            raise UsageError(f"{which}was not trained on {what}", "ask for that in a job without it, or train one")


def adapted_options(card: AdapterCard, given: Mapping[str, Any]) -> dict[str, Any]:
    """A task's options: the adapter's, where nothing else is said."""
    return {**card.options, **given}


def _merged(base: Path, adapter: Path, target: Path, say: Say) -> Path:
    """The folder of the merged model; it appears whole, under a lock that other processes wait for."""
    if target.exists():
        return target
    models_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(models_folder() / f".{target.name}.lock"):
        if not target.exists():
            say(f"merging the adapter {adapter.name} into the model, once")
            scratch = Path(mkdtemp(prefix=".merge-", dir=models_folder()))
            try:
                _run_merge(base, adapter, scratch / "model")
                (scratch / "model").rename(target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return target


def _run_merge(base: Path, adapter: Path, out: Path) -> None:
    """In a process of its own, for it needs much memory and is not wanted afterwards."""
    command = [sys.executable, "-m", "pipeline.merge_adapter", str(base), str(adapter), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        said = f"could not merge the adapter: killed by signal {-done.returncode}"
        raise RunError(said, f"it needs about {_merge_bytes(base) / 1e9:.1f} GB of memory")
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        is_missing = last.startswith(("ModuleNotFoundError", "ImportError"))
        raise RunError(
            f"could not merge the adapter: {last}", "pip install 'textmill[cpu,train]'" if is_missing else ""
        )


def _merge_bytes(base: Path) -> int:
    """What a merge takes, about: all weights in float32, whatever they are kept in, and the libraries."""
    kept = sum(file.stat().st_size for file in base.glob("*.safetensors"))
    config = json.loads((base / "config.json").read_bytes())
    is_single = config.get("dtype", config.get("torch_dtype")) in (None, "float32")
    return kept * (1 if is_single else 2) + _LIBRARIES_BYTES
