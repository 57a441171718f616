"""Adapters by row on the real engine: each row is answered as by the model that its adapter is merged into."""

from pathlib import Path

import numpy as np
import pytest

from jobs.tasks.sentiment import LABELS
from pipeline.merge_adapter import merge
from pipeline.models import Model
from tests.adapter_folders import write_card

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves

TEXTS = ["A film to forget.", "I was moved to tears, and laughed.", "It rains in it.", "Why did they make this?"]
BF16 = 0.06
"""What bfloat16 moves a probability by, at most: .05 was measured, with the weights added before or after."""


def random_adapter(base: Path, folder: Path, rank: int, seed: int) -> None:
    """As an untrained one would be, if it began with some effect."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.1)
    adapted.save_pretrained(folder)


def test_rows_are_answered_by_their_adapters_and_as_if_these_were_merged(
    smollm2: Model, run, results, write_parquet, tmp_path: Path
) -> None:
    assert smollm2.folder is not None
    about = {"model": "smollm2-135m", "model_digest": smollm2.digest, "prompt_form": "bare"}
    for seed, (name, rank) in enumerate({"one": 4, "two": 8}.items()):
        random_adapter(smollm2.folder, tmp_path / name, rank, seed)
        write_card(tmp_path / name, **about)
    merge(smollm2.folder, tmp_path / "two", tmp_path / "merged-model")
    of = [None, "one", "two"]
    rows = write_parquet({"text": [text for text in TEXTS for _ in of], "of": of * len(TEXTS)})

    def answers(output: str, model: str, **settings: object) -> np.ndarray:
        options = {"calibration": "none"}
        run(rows, output, engine="vllm", model=model, prompt_form="bare", options=options, **settings)
        return np.array([[row[f"p_{label}"] for label in LABELS] for row in results(output).to_pylist()])

    adapters = {name: str(tmp_path / name) for name in ("one", "two")}
    served = answers("served", "smollm2-135m", adapter_column="of", adapters=adapters)
    none, one, two = (served[i::3] for i in range(3))
    base = answers("base", "smollm2-135m", store=str(tmp_path / "another-store"))[::3]
    np.testing.assert_array_equal(none, base)
    merged = answers("merged", str(tmp_path / "merged-model"))[::3]
    np.testing.assert_allclose(two, merged, atol=BF16)
    for a, b in ((one, none), (two, none), (one, two)):
        assert abs(a - b).max() > 2 * BF16
