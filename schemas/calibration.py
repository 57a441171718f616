"""A calibration: what makes of a model's probabilities ones that are as often right as they say."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LabelCalibration(_Part):
    """How the log-probability of a label is changed: `weight * log p + bias`, before all add up to 1 again."""

    weight: float = Field(gt=0)
    bias: float


class RatingCurve(_Part):
    """From the calibrated score to the human scale: a curve that never falls, straight between its knots.

    Attributes:
        low, high: the scale's ends.
        scores: of the knots, in [-1, 1], ascending.
        ratings: of the knots, on the scale, never falling.
    """

    low: float
    high: float
    scores: list[float] = Field(min_length=1)
    ratings: list[float] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_a_curve(self) -> "RatingCurve":
        if len(self.scores) != len(self.ratings):
            raise ValueError("the curve has not as many scores as ratings")
        if sorted(set(self.scores)) != self.scores or sorted(self.ratings) != self.ratings:
            raise ValueError("the curve falls, or its scores are not in order")
        return self


class CalibrationError(_Part):
    """Errors on rows that the calibration was not fitted on; those of ratings are null where there were none.

    Attributes:
        ece, brier, accuracy: as in an evaluation.
        log_loss: mean negative log-probability of the gold label.
        pearson_r: of the score, after: of the rating, with the human rating.
        mae: mean distance of the rating from the human one, on the human scale.
    """

    ece: float | None = None
    brier: float | None = None
    log_loss: float | None = None
    accuracy: float | None = None
    pearson_r: float | None = None
    mae: float | None = None


class Calibration(_Part):
    """A calibration, as its file holds it.

    Attributes:
        task, model, model_digest: whose probabilities it is for.
        prompt_digest: of the questions that it is for, with task, version and model (`pipeline.calibration`).
        method: `vector_scaling`, fitted on gold; or `batch`, from the run's own mean prediction without gold.
        run_id: the run that it was fitted on.
        rows: how many of its rows.
        gold: what the gold was; null for `batch`.
        labels: by name, in the task's order.
        curve: for scores, where there were ratings.
        folds, seed: of the cross-validation; 0: none.
        before, after: errors on held-out rows, without and with a calibration that was fitted on the others.
    """

    format: Literal[1] = 1
    task: str
    model: str
    model_digest: str
    prompt_digest: str
    method: Literal["vector_scaling", "batch"]
    fitted: datetime
    run_id: str
    rows: int
    gold: str | None
    labels: dict[str, LabelCalibration] = Field(min_length=2)
    curve: RatingCurve | None = None
    folds: int
    seed: int
    before: CalibrationError | None = None
    after: CalibrationError | None = None
