"""A calibration for a run's prompts, from its results and their gold; or from its results alone."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.bootstrap import Bools, Floats, Ints
from jobs.evaluation.fitting import Scaling, batch_scaling, fit_curve, fit_scaling, folds_of
from jobs.evaluation.gold import Compared, read_compared
from jobs.evaluation.labels import Labelled
from jobs.evaluation.opinions import Opinions, probabilities, read_opinions, without_strange_labels
from jobs.evaluation.settings import EvaluationSettings
from jobs.tasks import find_task
from pipeline.calibration import on_curve, prompt_digest
from pipeline.errors import UsageError
from schemas.calibration import Calibration, CalibrationError, LabelCalibration, RatingCurve

Strings = NDArray[np.object_]

NUM_FOLDS = 5
_LEAST_ROWS = 50


@dataclass(frozen=True)
class FitRows:
    """What a calibration is fitted on.

    Attributes:
        labels, p: the run's labels and their probabilities, shape (rows, labels).
        names, classes: what the gold tells apart, and which of them each label belongs to.
        gold: the class of each row.
        texts: of the rows.
        ratings: human ratings; None where there are none, or no score to go with them.
        scale: of the ratings.
    """

    labels: tuple[str, ...]
    p: Floats
    names: tuple[str, ...]
    classes: Ints
    gold: Ints
    texts: Strings
    ratings: Floats | None
    scale: tuple[float, float]

    def take(self, rows: Bools) -> "FitRows":
        ratings = None if self.ratings is None else self.ratings[rows]
        return FitRows(
            self.labels, self.p[rows], self.names, self.classes, self.gold[rows], self.texts[rows], ratings, self.scale
        )

    def scores(self, p: Floats) -> Floats:
        """Positive minus negative, as the task has it."""
        found: Floats = p[:, self.labels.index("positive")] - p[:, self.labels.index("negative")]
        return found


def calibrate(output: Path, settings: EvaluationSettings, now: datetime) -> Calibration:
    """Fit a calibration on the gold of a complete run: vector scaling, and the rating curve where there are ratings.

    Its errors are those of five-fold cross-validation: each row is judged by what was fitted on the other folds. Where
    labels follow from ratings, mixed counts as neutral; a model whose mixed texts people do not rate as neutral then
    learns to say mixed hardly ever.

    Raises:
        UsageError: if the run cannot be calibrated, or has too little gold.
    """
    compared = without_strange_labels(read_compared(output, settings), settings)
    digest = _check_run(compared, output)
    opinions = read_opinions(compared, settings)
    rows = _rows(compared, opinions)
    if len(rows.gold) < _LEAST_ROWS:
        raise UsageError(f"{len(rows.gold)} rows with gold are too few to fit on", f"give {_LEAST_ROWS} or more")
    seed = settings.resampling.seed
    scaling, curve = fit_rows(rows)
    before, after = _held_out(rows, folds_of(list(rows.texts), NUM_FOLDS, seed))
    gold = opinions.source if settings.gold is None else f"{settings.gold}, {opinions.source}"
    return _calibration(compared, digest, rows.labels, scaling, now).model_copy(
        update={
            "method": "vector_scaling",
            "rows": len(rows.gold),
            "gold": gold,
            "curve": curve,
            "folds": NUM_FOLDS,
            "seed": seed,
            "before": before,
            "after": after,
        }
    )


def calibrate_batch(output: Path, now: datetime) -> Calibration:
    """A calibration without gold, from what a complete run says on average.

    It supposes that the labels are about equally frequent: where they are not, it makes the frequent ones too rare,
    and the probabilities worse than they were.

    Raises:
        UsageError: if the run cannot be calibrated.
    """
    compared = read_compared(output, EvaluationSettings())
    digest = _check_run(compared, output)
    labels, p = probabilities(compared)
    if p is None or len(p) < _LEAST_ROWS:
        raise UsageError(f"{output} has fewer than {_LEAST_ROWS} results with probabilities that add up to 1")
    return _calibration(compared, digest, labels, batch_scaling(p), now)


def _check_run(compared: Compared, output: Path) -> str:
    """The digest of the prompts that are calibrated."""
    manifest = compared.manifest
    if manifest.cascade is not None:
        raise UsageError(
            f"{output} is a cascade's: its probabilities are of several models", "calibrate a run of one model"
        )
    if manifest.model.adapters or any(redrive.adapters for redrive in manifest.redrives):
        raise UsageError(
            f"{output} is of several adapters: each has probabilities of its own", "calibrate a run with one --adapter"
        )
    if manifest.calibration is not None:
        raise UsageError(
            f"{output} is calibrated already",
            "run the job again with --calibration none: its answers are stored, and nothing is asked",
        )
    digest = prompt_digest(manifest.recipe, find_task(manifest.config["task"]).calibrated_questions)
    if digest is None:
        raise UsageError(f"a run of {manifest.task} with these options has no choice among labels to calibrate")
    return digest


def _calibration(
    compared: Compared, digest: str, labels: tuple[str, ...], scaling: Scaling, now: datetime
) -> Calibration:
    manifest = compared.manifest
    return Calibration(
        task=manifest.recipe["task"],
        model=manifest.model.name,
        model_digest=manifest.model.digest,
        prompt_digest=digest,
        method="batch",
        fitted=now,
        run_id=manifest.run_id,
        rows=compared.results.num_rows,
        gold=None,
        labels={
            label: LabelCalibration(weight=float(weight), bias=float(bias))
            for label, weight, bias in zip(labels, scaling.weights, scaling.biases, strict=True)
        },
        folds=0,
        seed=0,
    )


def _rows(compared: Compared, opinions: Opinions) -> FitRows:
    labels, p = probabilities(compared)
    labelled, rated = opinions.labelled, opinions.rated
    if p is None or labelled is None:
        raise UsageError("the results have no probabilities that add up to 1")
    where = labelled.where
    names = labelled.labels
    classes = np.array([names.index(opinions.merged.get(label, label)) for label in labels], np.int64)
    ratings: Floats | None = None
    scale = (0.0, 0.0)
    if rated is not None and {"positive", "negative"} <= set(labels):
        everywhere = np.full(len(where), np.nan)
        everywhere[rated.where] = rated.human
        ratings, scale = everywhere[where], (rated.scale.low, rated.scale.high)
        if not np.isfinite(ratings).all():
            raise UsageError(
                "some rows have a gold label and no rating", "give --label none, or --rating, or other columns"
            )
    rows = FitRows(labels, p[where], names, classes, labelled.gold, _texts(compared)[where], ratings, scale)
    return rows.take(np.isin(rows.gold, classes))


def _texts(compared: Compared) -> Strings:
    """The texts that were judged: the task's first field; where the results do not have it, all differ."""
    manifest = compared.manifest
    column = next(iter(manifest.columns.values()), "")
    column = manifest.renamed_columns.get(column, column)
    results = compared.results
    known = column in results.column_names
    return np.array(results[column].to_pylist() if known else [str(i) for i in range(results.num_rows)], np.object_)


def fit_rows(rows: FitRows) -> tuple[Scaling, RatingCurve | None]:
    """The scaling of their probabilities, and the curve where they have ratings."""
    scaling = fit_scaling(rows.p, rows.gold, rows.classes)
    if rows.ratings is None:
        return scaling, None
    return scaling, fit_curve(rows.scores(scaling.apply(rows.p)), rows.ratings, *rows.scale)


def _held_out(rows: FitRows, folds: Ints) -> tuple[CalibrationError, CalibrationError]:
    """Errors without a calibration, and with that which was fitted on the other folds."""
    after = np.empty_like(rows.p)
    ratings = np.full(len(rows.gold), np.nan)
    for fold in range(NUM_FOLDS):
        held = folds == fold
        if not held.any() or held.all():
            raise UsageError("too few different results to cross-validate on")
        scaling, curve = fit_rows(rows.take(~held))
        after[held] = scaling.apply(rows.p[held])
        if curve is not None:
            ratings[held] = [on_curve(curve, float(score)) for score in rows.scores(after[held])]
    low, high = rows.scale
    stretched = None if rows.ratings is None else (low + high) / 2 + rows.scores(rows.p) * (high - low) / 2
    return errors_of(rows, rows.p, stretched), errors_of(rows, after, None if rows.ratings is None else ratings)


def errors_of(rows: FitRows, p: Floats, predicted: Floats | None) -> CalibrationError:
    """The errors of probabilities, and of what is predicted on the human scale."""
    of_classes = p @ np.eye(len(rows.names))[rows.classes]
    given = rows.classes[p.argmax(axis=1)]
    labelled = Labelled(rows.names, np.ones(len(rows.gold), np.bool_), rows.gold, given, of_classes)
    reliability = labelled.reliability(None)
    right = np.maximum(of_classes[np.arange(len(rows.gold)), rows.gold], 1e-12)
    both = None if predicted is None or rows.ratings is None else (predicted, rows.ratings)
    return CalibrationError(
        ece=reliability.ece if reliability else None,
        brier=reliability.brier if reliability else None,
        log_loss=float(-np.log(right).mean()),
        accuracy=float(labelled.correct.mean()),
        pearson_r=None if both is None else _finite(float(np.corrcoef(*both)[0, 1])),
        mae=None if both is None else float(np.abs(both[0] - both[1]).mean()),
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def write_calibration(file: Path, calibration: Calibration) -> None:
    """Write it, whole.

    Raises:
        UsageError: if that cannot be done.
    """
    scratch = file.with_name(f".{file.name}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(calibration.model_dump_json(indent=2) + "\n", encoding="utf-8")
        scratch.rename(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
