"""An adapter's card: what it was trained on, how, and what that did on rows it has not seen."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.evaluation import Figure

CARD_NAME = "card.json"
CALIBRATION_NAME = "calibration.json"
WEIGHTS_NAME = "adapter_model.safetensors"
PEFT_NAME = "adapter_config.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingSettings(_Part):
    """How an adapter is trained.

    Attributes:
        rank, alpha, dropout: of LoRA, on all linear layers.
        learning_rate, weight_decay: of AdamW; the rate rises over the first twentieth of the steps, then falls to a
            tenth.
        batch_rows: lessons of one step: a row has one for each question, such as each piece of a translation.
        epochs: passes over the training rows, at most.
        checks_per_epoch: how often an epoch the rows for stopping are looked at.
        patience: stop after so many looks without a better loss.
        balance: how far rare labels are made to count as much as frequent ones: 0 not at all, 1 fully; None: half, and
            nothing to balance where rows have no label each.
        held_out: share of the rows that are not trained on; half of it for stopping and calibration, half for figures.
        tokens_at_once: bounds memory: tokens of one sequence, beside those that its questions begin with in common.
        seed: of the split, the order and the first weights.
    """

    rank: int = Field(16, ge=1, le=256)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    learning_rate: float = Field(5e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    batch_rows: int = Field(32, ge=1)
    epochs: int = Field(2, ge=1)
    checks_per_epoch: int = Field(4, ge=1)
    patience: int = Field(3, ge=1)
    balance: float | None = Field(None, ge=0, le=1)
    held_out: float = Field(0.2, gt=0, lt=1)
    tokens_at_once: int = Field(1024, ge=64)
    seed: int = 0


class DataPart(_Part):
    """Rows and questions about them."""

    rows: int
    questions: int


class DataInfo(_Part):
    """The gold.

    Attributes:
        file: where it was.
        digest: sha256 over the texts and answers that were used, in order.
        answers: where the answers are from.
        left_out: rows that were not used, by reason.
        labels: rows by their most probable label, of a choice; None of answers in words.
    """

    file: str
    digest: str
    answers: str
    left_out: dict[str, int]
    labels: dict[str, int] | None = None
    training: DataPart
    stopping: DataPart
    reporting: DataPart


class AdapterCard(_Part):
    """What there is to know about an adapter; lies beside its weights.

    Attributes:
        task, task_version: whose answers it was trained on.
        prompt_form, options: of the prompts that it was trained on; jobs that use the adapter take them over.
        prompts: question it was trained on → digest of its prompt and kind of answer, for an example of the task's.
        model, model_digest: what it was trained on top of.
        settings, data: see there.
        steps, best_step: how many there were, and the one whose weights these are.
        losses: [step, loss on the rows for stopping].
        before: figures on the rows for reporting of the model without adapter, with the prompts that it does best: the
            loss of the answers' tokens always; of words the perplexity, and of free text chrF on some of the rows; of a
            choice those of `textmill evaluate`.
        after: the same with the adapter and its prompts.
        seconds: that training took, evaluation included.
        device, versions: what it ran on.
    """

    format: Literal[1] = 1
    task: str
    task_version: int
    prompt_form: str
    options: dict[str, Any]
    prompts: dict[str, str]
    model: str
    model_digest: str
    trained: datetime
    settings: TrainingSettings
    data: DataInfo
    steps: int
    best_step: int
    losses: list[tuple[int, float]]
    before: dict[str, Figure]
    after: dict[str, Figure]
    seconds: dict[str, float]
    device: str
    versions: dict[str, str]

    def to_json(self) -> str:
        """As it is written: what does not apply is left out."""
        return self.model_dump_json(indent=2, exclude_none=True)
