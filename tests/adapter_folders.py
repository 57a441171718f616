"""Folders of adapters as `textmill finetune` writes them, without the training."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.tasks.sentiment import Sentiment
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
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_NAME).write_text(_CARD.model_copy(update=about).model_dump_json())
    return folder


def write_adapter(folder: Path, weights: str = "weights", **about: Any) -> Path:
    """An adapter that no engine could load: enough for the scripted one, which is told its name."""
    write_card(folder, **about)
    (folder / PEFT_NAME).write_text(json.dumps({"r": 8, "target_modules": ["q_proj"]}))
    (folder / WEIGHTS_NAME).write_text(weights)
    return folder
