"""A model with a LoRA adapter that learns: torch, transformers and peft are imported here, and only to train.

The loss of a choice is the cross entropy over the labels' tokens alone, for that is what the engine's log-probabilities
are read as; of words, that of the answer's tokens, each of which counts alike. Weights are float32, which on a CPU
trains faster than bfloat16.
Source of the method: Hu et al., LoRA, ICLR 2022.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.adapting.packing import Lesson, Packed, packs_of
from pipeline.errors import UsageError
from schemas.adapter import TrainingSettings

Floats = NDArray[np.float64]
Advance = Callable[[int], None]
"""Told how many more lessons are done."""


@dataclass(frozen=True)
class Judged:
    """What a model makes of some lessons.

    Attributes:
        loss: mean, by the lessons' weights.
        losses: each lesson's, times its weight.
        p: for choices, the probability of each label; None for answers in words.
        right: share of the predicted answers' tokens that the model would write itself; of choices, of the lessons
            whose most probable label is the target's.
    """

    loss: float
    losses: Floats
    p: Floats | None
    right: float


class Learner:
    """The model, its adapter, and the optimizer.

    Args:
        folder: the model's.
        settings: of the training.
        num_steps: how many steps there will be at most, which the learning rate is spread over.

    Raises:
        UsageError: if peft or torch is not installed.
    """

    def __init__(self, folder: Path, settings: TrainingSettings, num_steps: int) -> None:
        try:
            import torch
            from peft import LoraConfig, get_peft_model
            from transformers import AutoModelForCausalLM, GenerationConfig
        except ImportError as error:
            raise UsageError(f"cannot train: {error}", "pip install 'textmill[cpu,train]'") from None
        torch.manual_seed(settings.seed)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._torch, self._settings = torch, settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
        model.generation_config = GenerationConfig()  # penalties and the like, which a job does not take over
        lora = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        self.model: Any = get_peft_model(model, lora).to(self.device)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: _rate(step, num_steps))
        self._trained = trained

    def step(self, lessons: Sequence[Lesson]) -> float:
        """Learn from some lessons at once; the mean loss before."""
        self.model.train()
        whole = sum(lesson.weight for lesson in lessons)
        total = 0.0
        for packed in packs_of(lessons, self._settings.tokens_at_once):
            loss = self._losses(packed, self._logits(packed)).sum() / whole
            loss.backward()
            total += float(loss.detach())
        self._torch.nn.utils.clip_grad_norm_(self._trained, 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        return total

    def judge(self, lessons: Sequence[Lesson], advance: Advance, adapted: bool = True) -> Judged:
        """What the model makes of lessons, with its adapter or without it."""
        self.model.eval()
        losses: list[float] = []
        found, right = [], [0, 0]
        with self._torch.inference_mode(), self.adapter(adapted):
            for packed in packs_of(lessons, self._settings.tokens_at_once):
                logits = self._logits(packed)
                losses += self._losses(packed, logits).tolist()
                for lesson, own in zip(packed.lessons, _by_lesson(packed, logits), strict=True):
                    if lesson.labels:
                        p = own[0, list(lesson.labels)].softmax(-1).double().cpu().numpy()
                        found.append(p)
                        hits, out_of = int(p.argmax() == np.argmax(lesson.target)), 1
                    else:
                        answer = self._tensor(lesson.answer)
                        hits, out_of = int((own.argmax(-1) == answer).sum()), len(lesson.answer)
                    right[0], right[1] = right[0] + hits, right[1] + out_of
                advance(len(packed.lessons))
        same = len({len(p) for p in found}) == 1 and len(found) == len(lessons)
        whole = sum(lesson.weight for lesson in lessons)
        return Judged(
            sum(losses) / max(whole, 1e-12),
            np.array(losses),
            np.stack(found) if same else None,
            right[0] / max(1, right[1]),
        )

    def state(self) -> dict[str, Any]:
        """All that training needs to go on from here."""
        return {
            "adapter": self.adapter_state(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "random": self._torch.get_rng_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.load_adapter(state["adapter"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._torch.set_rng_state(state["random"])

    def adapter_state(self) -> dict[str, Any]:
        """A copy of the adapter's weights."""
        from peft import get_peft_model_state_dict

        return {name: value.detach().cpu().clone() for name, value in get_peft_model_state_dict(self.model).items()}

    def load_adapter(self, state: Mapping[str, Any]) -> None:
        """Take other weights for the adapter."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, dict(state))

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter as peft and vLLM read it: `adapter_config.json`, `adapter_model.safetensors`."""
        self.model.save_pretrained(folder, safe_serialization=True)
        (folder / "README.md").unlink(missing_ok=True)

    def adapter(self, adapted: bool) -> Any:
        """A context in which the model has its adapter, or does without."""
        from contextlib import nullcontext

        return nullcontext() if adapted else self.model.disable_adapter()

    def _logits(self, packed: Packed) -> Any:
        """What is predicted where the answers are, shape (answers, vocabulary)."""
        torch = self._torch
        hidden = torch.zeros(packed.visible().shape, dtype=torch.float32)
        hidden.masked_fill_(torch.from_numpy(~packed.visible()), torch.finfo(torch.float32).min)
        answered = self.model(
            input_ids=self._tensor(packed.tokens)[None],
            position_ids=self._tensor(packed.positions)[None],
            attention_mask=hidden[None, None].to(self.device),
            logits_to_keep=self._tensor(packed.answers),
            use_cache=False,
        )
        return answered.logits[0].float()

    def _losses(self, packed: Packed, logits: Any) -> Any:
        """The loss of each lesson, times its weight."""
        torch = self._torch
        found = []
        for lesson, own in zip(packed.lessons, _by_lesson(packed, logits), strict=True):
            if lesson.labels:
                logs = own[0, list(lesson.labels)].log_softmax(-1)
                loss = -(logs * torch.tensor(lesson.target, device=self.device)).sum()
            else:
                loss = torch.nn.functional.cross_entropy(own, self._tensor(lesson.answer))
            found.append(loss * lesson.weight)
        return torch.stack(found)

    def _tensor(self, values: Any) -> Any:
        return self._torch.as_tensor(np.asarray(values, np.int64), device=self.device)


def _by_lesson(packed: Packed, logits: Any) -> Iterator[Any]:
    start = 0
    for lesson in packed.lessons:
        yield logits[start : start + lesson.num_answers]
        start += lesson.num_answers


def _rate(step: int, num_steps: int) -> float:
    """The share of the learning rate: rises over the first twentieth, then falls to a tenth in a straight line."""
    warm = max(1, num_steps // 20)
    return min((step + 1) / warm, 1 - 0.9 * min(1.0, max(0, step - warm) / max(1, num_steps - warm)))


def batches(lessons: Sequence[Lesson], size: int, seed: int, epoch: int) -> list[Sequence[Lesson]]:
    """An epoch's batches: all lessons, in an order that seed and epoch decide."""
    order = np.random.default_rng((seed, epoch)).permutation(len(lessons))
    return [[lessons[i] for i in order[start : start + size]] for start in range(0, len(lessons), size)]


def num_tokens(lessons: Iterable[Lesson], at_once: int) -> int:
    """Tokens that one pass over the lessons computes."""
    return sum(len(packed.tokens) for packed in packs_of(lessons, at_once))
