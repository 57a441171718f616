"""The training itself: steps, early stopping, and checkpoints that it goes on from."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.adapting.learner import Learner, batches
from jobs.adapting.packing import Lesson
from pipeline.models import Say
from schemas.adapter import TrainingSettings

_CHECKPOINT_SECONDS = 60.0


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        key: names gold, model, prompts and settings; a checkpoint of another training is of no use.
        step: how many steps are done.
        losses: (step, loss on the rows for stopping).
        best_step: the one with the smallest loss.
        best: the adapter's weights then.
        seconds: that were spent.
    """

    key: str
    step: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best: dict[str, Any] | None = None
    seconds: float = 0.0

    def impatient(self, patience: int) -> bool:
        """Whether the last looks were all worse than one before."""
        return sum(step > self.best_step for step, _ in self.losses) >= patience


@dataclass
class Training:
    """A learner that goes through its lessons.

    Args:
        learner: it.
        settings: how.
        lessons, stopping: what it learns from, and what says when to stop.
        folder: for the checkpoint.
        key: see `Progress`.
        say: told of each look.
        clock: in seconds.
    """

    learner: Learner
    settings: TrainingSettings
    lessons: Sequence[Lesson]
    stopping: Sequence[Lesson]
    folder: Path
    key: str
    say: Say
    clock: Callable[[], float] = time.monotonic

    def run(self, seconds: float, advance: Callable[[int], None]) -> tuple[Progress, bool]:
        """Train until it is done, or for so many seconds; how far it is, and whether it is done."""
        progress = self._restored()
        advance(progress.step)
        started = saved = self.clock()
        before, done = progress.seconds, False
        for number, batch in self._steps():
            if number <= progress.step:
                continue
            if progress.impatient(self.settings.patience):
                done = True
                break
            if self.clock() - started >= seconds:
                break
            self.learner.step(batch)
            progress.step = number
            advance(1)
            if number % self.every == 0 or number == self.num_steps:
                self._look(progress)
            progress.seconds = before + self.clock() - started
            if self.clock() - saved >= _CHECKPOINT_SECONDS:
                self._save(progress)
                saved = self.clock()
        done = done or progress.step >= self.num_steps
        self._save(progress)
        return progress, done

    @property
    def num_steps(self) -> int:
        """How many there are at most."""
        return self.settings.epochs * -(-len(self.lessons) // self.settings.batch_rows)

    @property
    def every(self) -> int:
        """After how many steps it looks at the rows for stopping."""
        return max(1, self.num_steps // (self.settings.epochs * self.settings.checks_per_epoch))

    def discard(self) -> None:
        """Remove the checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _steps(self) -> list[tuple[int, Sequence[Lesson]]]:
        settings = self.settings
        epochs = [batches(self.lessons, settings.batch_rows, settings.seed, n) for n in range(settings.epochs)]
        return list(enumerate([batch for epoch in epochs for batch in epoch], 1))

    def _look(self, progress: Progress) -> None:
        loss = self.learner.judge(self.stopping, lambda by: None).loss
        progress.losses.append((progress.step, loss))
        if progress.best is None or loss <= min(value for _, value in progress.losses):
            progress.best_step, progress.best = progress.step, self.learner.adapter_state()
        self.say(f"step {progress.step} of {self.num_steps}: loss {loss:.4f} on the rows for stopping")

    def _save(self, progress: Progress) -> None:
        import torch

        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / ".state.tmp"
        torch.save({"progress": vars(progress), "learner": self.learner.state()}, scratch)
        scratch.rename(self.folder / "state.pt")

    def _restored(self) -> Progress:
        import torch

        file = self.folder / "state.pt"
        if not file.is_file():
            return Progress(self.key)
        state = torch.load(file, weights_only=True)
        if state["progress"]["key"] != self.key:
            self.say("starting anew: the checkpoint is of other gold, prompts or settings")
            return Progress(self.key)
        self.learner.restore(state["learner"])
        progress = Progress(**state["progress"])
        progress.losses = [(int(step), float(loss)) for step, loss in progress.losses]
        self.say(f"going on from step {progress.step}")
        return progress
