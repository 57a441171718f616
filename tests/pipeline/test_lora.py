"""What vLLM is told of adapters."""

import json
from pathlib import Path

import pytest

from pipeline.engines.lora import lora_arguments
from pipeline.errors import UsageError
from schemas.adapter import PEFT_NAME


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
    with pytest.raises(UsageError, match="rank 1024"):
        lora_arguments([config(tmp_path / "a", r=1024)])
