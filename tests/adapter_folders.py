"""Folders of adapters as `textmill finetune` writes them, without the training."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.config import JobConfig
from jobs.inquiry import inquiry_of
from jobs.tasks.sentiment import Sentiment
from pipeline.adapters import prompt_digests
from pipeline.models import catalogue
from pipeline.requests import Prompter
from schemas.adapter import CARD_NAME, PEFT_NAME, WEIGHTS_NAME, AdapterCard, DataInfo, DataPart, TrainingSettings

_PART = DataPart(rows=1, questions=1)
_CARD = AdapterCard(
    task="sentiment",
    task_version=Sentiment.version,
    prompt_form="chat",
    options={},
    prompts={},
    model="scripted",
    model_digest="scripted",
    trained=datetime(2026, 11, 1, tzinfo=UTC),
    settings=TrainingSettings(),
    data=DataInfo(
        file="gold.parquet",
        digest="",
        answers="gold_label",
        left_out={},
        labels={},
        training=_PART,
        stopping=_PART,
        reporting=_PART,
    ),
    steps=1,
    best_step=1,
    losses=[],
    before={},
    after={},
    seconds={},
    device="cpu",
    versions={},
)


def write_card(folder: Path, **about: Any) -> Path:
    """The card of an adapter, of the scripted engine unless something else is said."""
    card = _CARD.model_copy(update={"prompts": _prompts(**about), **about})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_NAME).write_text(card.model_dump_json())
    return folder


def _prompts(model: str = "scripted", prompt_form: str = _CARD.prompt_form, **_: Any) -> dict[str, str]:
    """Digests of what sentiment asks."""
    engine = "vllm" if model in catalogue() else "scripted"
    config = JobConfig(
        task="sentiment", inputs=("in",), output="out", model=model, engine=engine, prompt_form=prompt_form
    )
    asked = inquiry_of(config, lambda _: None)
    return dict(prompt_digests(asked.task, Prompter(asked.rules)))


def write_adapter(folder: Path, weights: str = "weights", **about: Any) -> Path:
    """An adapter that no engine could load: enough for the scripted one, which is told its name."""
    write_card(folder, **about)
    (folder / PEFT_NAME).write_text(json.dumps({"r": 8, "target_modules": ["q_proj"]}))
    (folder / WEIGHTS_NAME).write_text(weights)
    return folder
