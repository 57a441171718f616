"""What training did, on rows it has not seen: figures with intervals, and of a choice a calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from jobs.adapting.learner import Judged
from jobs.adapting.lessons import GoldRow
from jobs.adapting.packing import Lesson
from jobs.evaluation.bootstrap import Floats, Ints, Resampling, Statistic, ratio
from jobs.evaluation.calibrate import FitRows, errors_of, fit_rows
from jobs.evaluation.labels import Labelled
from jobs.evaluation.ratings import Rated, Scale
from pipeline.calibration import on_curve
from schemas.calibration import Calibration, LabelCalibration
from schemas.evaluation import Figure


def loss_figures(lessons: Sequence[Lesson], judged: Judged, resampling: Resampling) -> dict[str, Figure]:
    """The loss of the answers' tokens, and of answers in words the perplexity; rows are resampled, not tokens."""
    num_rows = max(lesson.row for lesson in lessons) + 1
    rows = [lesson.row for lesson in lessons]
    losses = np.bincount(rows, judged.losses, num_rows)
    tokens = np.bincount(rows, [lesson.weight for lesson in lessons], num_rows)

    def loss(weights: Floats) -> Floats:
        return ratio(weights @ losses, weights @ tokens)

    about = {"loss": "mean negative log-probability of the answers' tokens"}
    statistics: dict[str, Statistic] = {"loss": loss}
    if any(lesson.answer for lesson in lessons):
        about["perplexity"] = "exp of the loss: 1 is certain of every token"
        statistics["perplexity"] = lambda weights: np.exp(loss(weights))
    figures = {name: resampling.figure(of, num_rows, about[name], False) for name, of in statistics.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


@dataclass(frozen=True)
class Answered:
    """Rows of gold with a label each, and how probable a model finds the labels.

    Attributes:
        rows: they.
        p: shape (rows, labels).
        labels: their names.
        end: of the rating scale.
    """

    rows: Sequence[GoldRow]
    p: Floats
    labels: tuple[str, ...]
    end: float

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """Of labels, and of ratings where there are any."""
        everywhere = np.ones(len(self.rows), np.bool_)
        labelled = Labelled(self.labels, everywhere, self._gold, self.p.argmax(axis=1).astype(np.int64), self.p)
        found = labelled.figures(resampling)
        if (ratings := self.ratings) is not None:
            scale = Scale(-self.end, self.end, 0.5)
            rated = Rated(everywhere, scale.to_ratings(self._scores()), ratings, scale)
            found |= rated.figures(resampling)
        return found

    @property
    def ratings(self) -> Floats | None:
        """By people; None where a row has none."""
        ratings = np.array([row.rating for row in self.rows])
        return ratings if np.isfinite(ratings).all() and {"positive", "negative"} <= set(self.labels) else None

    def fit_rows(self) -> FitRows:
        """What a calibration is fitted on, or judged by."""
        numbers = np.arange(len(self.labels))
        keys = np.array([row.key for row in self.rows], np.object_)
        scale = (-self.end, self.end)
        return FitRows(self.labels, self.p, self.labels, numbers, self._gold, keys, self.ratings, scale)

    @property
    def _gold(self) -> Ints:
        return np.array([self.labels.index(row.label) for row in self.rows], np.int64)

    def _scores(self) -> Floats:
        found: Floats = self.p[:, self.labels.index("positive")] - self.p[:, self.labels.index("negative")]
        return found


@dataclass(frozen=True)
class Whose:
    """What a calibration belongs to: task, model and prompts, and the training that it comes from."""

    task: str
    model: str
    model_digest: str
    prompt_digest: str
    run_id: str
    gold: str
    seed: int


def calibration_of(stopping: Answered, reporting: Answered, whose: Whose, now: datetime) -> Calibration | None:
    """Fitted on the rows for stopping, its errors are those on the rows for reporting; None of fewer than 50 rows."""
    rows, others = stopping.fit_rows(), reporting.fit_rows()
    if len(rows.gold) < 50:
        return None
    scaling, curve = fit_rows(rows)
    p = scaling.apply(others.p)
    low, high = others.scale
    plain = None if others.ratings is None else (low + high) / 2 + others.scores(others.p) * (high - low) / 2
    rated = None if curve is None else np.array([on_curve(curve, float(score)) for score in others.scores(p)])
    return Calibration(
        task=whose.task,
        model=whose.model,
        model_digest=whose.model_digest,
        prompt_digest=whose.prompt_digest,
        method="vector_scaling",
        fitted=now,
        run_id=whose.run_id,
        rows=len(rows.gold),
        gold=whose.gold,
        labels={
            label: LabelCalibration(weight=float(weight), bias=float(bias))
            for label, weight, bias in zip(rows.labels, scaling.weights, scaling.biases, strict=True)
        },
        curve=curve,
        folds=0,
        seed=whose.seed,
        before=errors_of(others, others.p, plain),
        after=errors_of(others, p, rated),
    )
