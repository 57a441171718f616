"""Calibrations at work: read from their files, held to the prompts they were fitted on, applied to probabilities.

They are no part of a recipe: stored answers stay as they are and are found as before, and a calibration changes what is
read from them. So a finished job that is run again with one asks the engine nothing.
"""

import hashlib
import json
import math
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from pipeline.errors import UsageError, first_line
from pipeline.recipe import Recipe
from pipeline.task import AnyTask, Options
from schemas.calibration import Calibration, RatingCurve
from schemas.manifest import CalibrationUse

NO_CALIBRATION = "none"


class CalibrationOptions(Options):
    """Options of a task whose probabilities can be calibrated."""

    calibration: str | None = Field(
        None,
        description="A file of `textmill calibrate`, which labels and probabilities go through; none: not even the "
        "model's own. [default: the model's, where it has one for these prompts]",
    )


def read_calibration(path: str) -> Calibration:
    """The calibration in a file.

    Raises:
        UsageError: if it cannot be read or is something else.
    """
    try:
        return Calibration.model_validate_json(Path(path).expanduser().read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read the calibration {path}: {error.strerror}") from None
    except ValidationError as error:
        raise UsageError(f"{path} is no calibration: {first_line(error)}", "textmill calibrate writes them") from None


def calibration_digest(calibration: Calibration) -> str:
    """16 hexadecimal digits over all of it."""
    return hashlib.sha256(calibration.model_dump_json().encode()).hexdigest()[:16]


def prompt_digest(recipe: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """16 hexadecimal digits over the questions of these names, the task's version and the model; None without any.

    Args:
        recipe: as plain data, of a plan or of a manifest.
    """
    asked = {name: recipe["questions"][name] for name in names if name in recipe["questions"]}
    if not asked:
        return None
    whose = {key: recipe[key] for key in ("task", "task_version", "model_digest", "revision")}
    return hashlib.sha256(json.dumps({**whose, "questions": asked}, sort_keys=True).encode()).hexdigest()[:16]


def calibrate_task(task: AnyTask, recipe: Recipe, automatic: str | None) -> CalibrationUse | None:
    """Give the task the calibration that its options name, or else the automatic one if it fits.

    Args:
        automatic: file of the model's own.

    Raises:
        UsageError: if the one that is named belongs to other prompts.
    """
    given = task.options.calibration if isinstance(task.options, CalibrationOptions) else NO_CALIBRATION
    file = given or automatic
    if file is None or file == NO_CALIBRATION:
        return None
    calibration = read_calibration(file)
    if (why := _misfit(calibration, task, recipe)) is not None:
        if given is None:
            return None
        hint = "fit one for this job: run it with --calibration none, then textmill calibrate"
        raise UsageError(f"the calibration {file} does not fit: {why}", hint)
    task.calibration = calibration
    return CalibrationUse(
        file=file, digest=calibration_digest(calibration), method=calibration.method, rows=calibration.rows
    )


def _misfit(calibration: Calibration, task: AnyTask, recipe: Recipe) -> str | None:
    if calibration.task != task.name:
        return f"it is for {calibration.task}, not for {task.name}"
    if calibration.model_digest != recipe.model_digest:
        return f"it is for the model {calibration.model}, not for {recipe.model}"
    digest = prompt_digest(recipe.as_dict(), task.calibrated_questions)
    if digest is None:
        return "there is no choice among labels to calibrate"
    return None if digest == calibration.prompt_digest else "it was fitted on other prompts or labels"


def apply_calibration(calibration: Calibration | None, p: Mapping[str, float]) -> Mapping[str, float]:
    """The probabilities as they should be, which add up to 1; without a calibration, as they are."""
    if calibration is None:
        return p
    logs = {
        label: how.weight * math.log(max(p[label], sys.float_info.min)) + how.bias
        for label, how in calibration.labels.items()
    }
    highest = max(logs.values())
    weights = {label: math.exp(value - highest) for label, value in logs.items()}
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


def rating_of(calibration: Calibration | None, score: float) -> float | None:
    """A calibrated score on the human scale; None where the calibration has no such scale."""
    return None if calibration is None or calibration.curve is None else on_curve(calibration.curve, score)


def on_curve(curve: RatingCurve, score: float) -> float:
    """The curve's value, at its ends that of the nearest knot."""
    i = bisect_right(curve.scores, score)
    if i in (0, len(curve.scores)):
        return curve.ratings[max(0, i - 1)]
    left, right = curve.scores[i - 1], curve.scores[i]
    share = (score - left) / (right - left)
    return curve.ratings[i - 1] + share * (curve.ratings[i] - curve.ratings[i - 1])
