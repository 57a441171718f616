"""What training did, on rows it has not seen: figures with intervals, and a calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from jobs.adapting.learner import Judged
from jobs.adapting.lessons import GoldRow
from jobs.evaluation.bootstrap import Floats, Resampling, mean_of
from jobs.evaluation.calibrate import FitRows, errors_of, fit_rows
from jobs.evaluation.labels import Labelled
from jobs.evaluation.ratings import Rated, Scale
from pipeline.calibration import on_curve
from schemas.calibration import Calibration, LabelCalibration
from schemas.evaluation import Figure


@dataclass(frozen=True)
class Answered:
    """Rows of gold, and what a model makes of them.

    Attributes:
        rows: they.
        judged: what it makes of their lessons.
        labels: the names of a choice's labels; empty for answers in words or several questions a row.
        end: of the rating scale.
    """

    rows: Sequence[GoldRow]
    judged: Judged
    labels: tuple[str, ...]
    end: float

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """Labels and ratings where there are any; the loss of the answers."""
        judged = self.judged
        about = "mean negative log-probability of the answers' tokens"
        loss = resampling.figure(mean_of(judged.losses), len(judged.losses), about, higher_is_better=False)
        found = {} if loss is None else {"loss": loss}
        if judged.p is None or not self.labels:
            return found
        everywhere = np.ones(len(self.rows), np.bool_)
        gold = np.array([self.labels.index(row.label) for row in self.rows], np.int64)
        labelled = Labelled(self.labels, everywhere, gold, judged.p.argmax(axis=1).astype(np.int64), judged.p)
        found |= labelled.figures(resampling)
        if (ratings := self.ratings) is not None:
            scale = Scale(-self.end, self.end, 0.5)
            rated = Rated(everywhere, scale.to_ratings(self._scores(judged.p)), ratings, scale)
            found |= rated.figures(resampling)
        return found

    @property
    def ratings(self) -> Floats | None:
        """By people; None where a row has none."""
        ratings = np.array([row.rating for row in self.rows])
        return ratings if np.isfinite(ratings).all() and {"positive", "negative"} <= set(self.labels) else None

    def fit_rows(self) -> FitRows | None:
        """What a calibration is fitted on, or judged by; None without a choice."""
        if self.judged.p is None or not self.labels:
            return None
        numbers = np.arange(len(self.labels))
        return FitRows(
            self.labels,
            self.judged.p,
            self.labels,
            numbers,
            np.array([self.labels.index(row.label) for row in self.rows], np.int64),
            np.array([row.key for row in self.rows], np.object_),
            self.ratings,
            (-self.end, self.end),
        )

    def _scores(self, p: Floats) -> Floats:
        found: Floats = p[:, self.labels.index("positive")] - p[:, self.labels.index("negative")]
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
    """Fitted on the rows for stopping, its errors are those on the rows for reporting; None without a choice."""
    rows, others = stopping.fit_rows(), reporting.fit_rows()
    if rows is None or others is None or len(rows.gold) < 50:
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
