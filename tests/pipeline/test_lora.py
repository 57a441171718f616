"""What vLLM is told of adapters."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters import adapter_digest
from pipeline.engines.base import AdapterFiles, EngineNeeds
from pipeline.engines.lora import lora_arguments, refuse_changed
from pipeline.engines.vllm_engine import VllmEngine
from pipeline.errors import AdapterChanged, UsageError
from schemas.adapter import PEFT_NAME, WEIGHTS_NAME


def config(folder: Path, **content: object) -> str:
    folder.mkdir()
    (folder / PEFT_NAME).write_text(json.dumps({"r": 8, "target_modules": ["q_proj"], **content}))
    return str(folder)


def test_the_largest_rank_and_all_layers_that_any_adapter_changes(tmp_path: Path) -> None:
    folders = [config(tmp_path / "a"), config(tmp_path / "b", r=9, target_modules=["v_proj", "q_proj"])]
    told = lora_arguments(folders)
    assert (told["max_lora_rank"], told["max_loras"], told["max_cpu_loras"]) == (16, 2, 2)
    assert told["lora_target_modules"] == ["q_proj", "v_proj"]
    assert lora_arguments([]) == {}


def test_ranks_and_layers_by_pattern(tmp_path: Path) -> None:
    folders = [config(tmp_path / "a", rank_pattern={"q_proj": 40}, target_modules=".*proj")]
    told = lora_arguments(folders)
    assert (told["max_lora_rank"], told["lora_target_modules"]) == (64, None)


def test_an_adapter_beyond_what_vllm_serves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="b has rank 1024"):
        lora_arguments([config(tmp_path / "a"), config(tmp_path / "b", r=1024)])
    (tmp_path / "a" / PEFT_NAME).write_text("{}")
    with pytest.raises(UsageError, match="KeyError: 'r'"):
        lora_arguments([str(tmp_path / "a")])


def test_what_is_refused_as_vllm_starts_keeps_its_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def make_ready(needs: EngineNeeds) -> None:
        raise UsageError("adapters cannot be served like that", "leave them out")

    monkeypatch.setattr("pipeline.engines.vllm_engine.vllm_version", lambda: "0.32")
    monkeypatch.setattr("pipeline.engines.vllm_engine.make_ready", make_ready)
    engine = object.__new__(VllmEngine)
    engine._needs = EngineNeeds("run", 1024, "model")
    with pytest.raises(UsageError, match=r"^adapters cannot be served like that$") as refused:
        engine._start()
    assert refused.value.hint == "leave them out"


@pytest.mark.parametrize("changed", [PEFT_NAME, WEIGHTS_NAME, "gone"])
def test_an_adapter_that_is_not_what_its_answers_are_kept_under_is_refused(changed: str, tmp_path: Path) -> None:
    adapters = {}
    for name in ("a", "b"):
        folder = Path(config(tmp_path / name))
        (folder / WEIGHTS_NAME).write_text(f"weights of {name}")
        adapters[name] = AdapterFiles(str(folder), adapter_digest(folder))
    refuse_changed(adapters)
    if changed == "gone":
        (tmp_path / "b" / WEIGHTS_NAME).unlink()
    else:
        (tmp_path / "b" / changed).write_text("retrained")
    with pytest.raises(AdapterChanged, match="adapter b was changed while the run was on"):
        refuse_changed(adapters)


def test_adapters_are_compared_once_vllm_has_read_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = Path(config(tmp_path / "a")) / WEIGHTS_NAME
    weights.write_text("weights")
    files = AdapterFiles(str(weights.parent), adapter_digest(weights.parent))
    request = SimpleNamespace(LoRARequest=lambda name, number, folder: (name, number, folder))
    monkeypatch.setitem(sys.modules, "vllm.lora.request", request)
    done: list[Any] = []

    def add(adapter: Any) -> None:
        done.append(adapter)
        weights.write_text("retrained just now")

    engine = object.__new__(VllmEngine)
    engine._needs = EngineNeeds("run", 1024, "model", adapters={"a": files})
    engine._in_flight = {}
    core = SimpleNamespace(shutdown=lambda: done.append("shut down"))
    engine._engine = SimpleNamespace(add_lora=add, engine_core=core)
    with pytest.raises(AdapterChanged):
        engine._load_adapters()
    assert done == [("a", 1, files.folder), "shut down"]
