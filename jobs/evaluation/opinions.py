"""Sentiment and classification: labels, probabilities and scores against gold labels and human ratings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.config import nearest
from jobs.evaluation.bootstrap import Floats
from jobs.evaluation.gold import Compared
from jobs.evaluation.labels import Labelled
from jobs.evaluation.ratings import RATED_LABELS, Rated, Scale, human_ceiling
from jobs.evaluation.settings import EvaluationSettings
from pipeline.errors import UsageError
from schemas.evaluation import HumanCeiling, RatingScale

_SCORE, _CALIBRATED = "score", "calibrated_rating"
_MERGED = {"mixed": "neutral"}
"""A mean rating cannot tell these apart: both are near the middle."""


@dataclass(frozen=True)
class Opinions:
    """What was judged, against what people say.

    Attributes:
        labelled: labels and gold labels; None without gold that tells labels.
        source: where the gold labels are from.
        merged: labels that count as others.
        rated: scores and human ratings; None without.
        scale: of the ratings.
        human: one human against the others.
        notes: what to know about the figures.
    """

    labelled: Labelled | None = None
    source: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)
    rated: Rated | None = None
    scale: RatingScale | None = None
    human: HumanCeiling | None = None
    notes: tuple[str, ...] = ()


def read_opinions(compared: Compared, settings: EvaluationSettings) -> Opinions:
    """The opinions of a run with a column `label`, and their gold.

    Raises:
        UsageError: if the gold is not what it should be, or there is none.
    """
    column = compared.column("rating")
    if column is not None and _SCORE in compared.made:
        human = numbers_of(column, compared.columns["rating"])
        scale = scale_of(human, settings)
        predicted, how = _predicted(compared.answers, scale)
        where = np.isfinite(human)
        rated = Rated(where, predicted[where], human[where], scale)
        opinions = Opinions(
            rated=rated,
            scale=RatingScale(low=scale.low, high=scale.high, neutral_within=scale.neutral_within, predicted_by=how),
            human=human_ceiling(_lists(compared.column("ratings")), scale, settings.resampling.seed),
        )
    else:
        opinions = Opinions()
    if (label := compared.column("label")) is not None:
        return _with_labels(opinions, compared, label)
    if opinions.rated is None:
        known = f"name it with --label, or --rating; there is: {', '.join(compared.gold.column_names)}"
        raise UsageError("there is no gold to compare with", "; ".join((*compared.notes, known)))
    return _with_derived_labels(opinions, compared, opinions.rated)


def without_strange_labels(compared: Compared, settings: EvaluationSettings) -> Compared:
    """Without a column that only its name says to be gold labels, and that has none of the run's."""
    gold = compared.column("label")
    if gold is None or "label" in settings.columns or "label" not in compared.made:
        return compared
    if pa.types.is_nested(gold.type):
        fits = "labels" in compared.made
    else:
        fits = not set(_labels_of(compared)).isdisjoint(pc.unique(gold).to_pylist())
    if fits:
        return compared
    columns = {role: name for role, name in compared.columns.items() if role != "label"}
    note = f"column {compared.columns['label']} has none of the run's labels, so it is not taken for gold"
    return replace(compared, columns=columns, notes=(*compared.notes, note))


def _with_labels(opinions: Opinions, compared: Compared, gold: pa.ChunkedArray) -> Opinions:
    gold = _as_text(gold, compared.columns["label"])
    own, p = probabilities(compared)
    wanted = gold.to_pylist()
    others = sorted({label for label in wanted if label is not None and label not in own})
    if others and not set(wanted) & set(own):
        raise UsageError(
            f"the gold labels ({', '.join(others[:5])}) are none of the run's", nearest(others[0], dict.fromkeys(own))
        )
    labels = (*own, *others)
    where = np.array([label is not None for label in wanted], np.bool_)
    number = {label: i for i, label in enumerate(labels)}
    predicted = np.array([number[label] for label in compared.answers["label"].to_pylist()], np.int64)
    if p is not None:
        p = np.pad(p, ((0, 0), (0, len(others))))[where]
    labelled = Labelled(
        labels, where, np.array([number[x] for x in wanted if x is not None], np.int64), predicted[where], p
    )
    notes = (f"the run cannot give these labels of the gold: {', '.join(others)}",) if others else ()
    return replace(opinions, labelled=labelled, source=f"column {compared.columns['label']}", notes=notes)


def _as_text(gold: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(gold.type):
        return pc.cast(gold, pa.string())
    if not (pa.types.is_string(gold.type) or pa.types.is_large_string(gold.type)):
        raise UsageError(f"the gold labels in {name!r} are not text, but {gold.type}")
    return gold


def _with_derived_labels(opinions: Opinions, compared: Compared, rated: Rated) -> Opinions:
    """Gold labels from mean ratings: neutral near the middle, else the side."""
    own, p = probabilities(compared)
    merged = {label: into for label, into in _MERGED.items() if label in own}
    number = {label: RATED_LABELS.index(_MERGED.get(label, label)) for label in own}
    predicted = np.array([number[label] for label in compared.answers["label"].to_pylist()], np.int64)
    if p is not None:
        p = p @ np.eye(len(RATED_LABELS))[[number[label] for label in own]]
    where, scale = rated.where, rated.scale
    labelled = Labelled(
        RATED_LABELS, where, scale.label_numbers(rated.human), predicted[where], None if p is None else p[where]
    )
    source = (
        f"ratings in {compared.columns['rating']}: neutral within {scale.neutral_within:g} of {scale.middle:g}, "
        "else positive or negative"
    )
    notes = tuple(f"{label} counts as {into}: ratings cannot tell them apart" for label, into in merged.items())
    return replace(opinions, labelled=labelled, source=source, merged=merged, notes=notes)


def probabilities(compared: Compared) -> tuple[tuple[str, ...], Floats | None]:
    """The run's labels, and their probabilities if these add up to 1; shape (rows, labels)."""
    results = compared.answers
    labels = _labels_of(compared)
    if "probabilities" in results.column_names:
        if not results.num_rows:
            return labels, None
        p = np.array([[one["probability"] for one in row] for row in results["probabilities"].to_pylist()])
    elif all(f"p_{label}" in results.column_names for label in labels):
        p = np.stack([results[f"p_{label}"].to_numpy() for label in labels], axis=1)
    else:
        return labels, None
    adds_up = bool(np.allclose(p.sum(axis=1), 1, atol=1e-6))
    return labels, p if adds_up else None


def _labels_of(compared: Compared) -> tuple[str, ...]:
    """The labels that the run chose among; of a task of one's own, those that it gave."""
    results = compared.answers
    if "probabilities" in results.column_names and results.num_rows:
        return tuple(one["label"] for one in results["probabilities"][0].as_py())
    decoding: Any = compared.manifest.recipe["questions"].get("answer", {}).get("decoding", {})
    if labels := decoding.get("labels"):
        return tuple(labels)
    return tuple(sorted(set(results["label"].drop_null().to_pylist())))


def numbers_of(column: pa.ChunkedArray, name: str) -> Floats:
    """The values of a column of numbers; NaN where there is none.

    Raises:
        UsageError: if it is not one.
    """
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise UsageError(f"the column {name!r} has no numbers, but {column.type}")
    values: Floats = pc.cast(column, pa.float64()).to_numpy()
    return values


def scale_of(human: Floats, settings: EvaluationSettings) -> Scale:
    """The scale of ratings: the one that is set, or as far as they go on both sides of 0.

    Raises:
        UsageError: if they are outside of it, or none is below 0.
    """
    rated = human[np.isfinite(human)]
    if settings.scale is not None:
        low, high = settings.scale
        if rated.size and (rated.min() < low or rated.max() > high):
            raise UsageError(f"there are ratings of {rated.min():g} … {rated.max():g}, outside of {low:g} … {high:g}")
        return Scale(low, high, settings.neutral_within)
    if not rated.size or rated.min() >= 0:
        raise UsageError("no rating is below 0: where is neutral?", "say the ends of the scale: --scale 1:5")
    end = float(np.ceil(np.abs(rated).max()))
    return Scale(-end, end, settings.neutral_within)


def _predicted(answers: pa.Table, scale: Scale) -> tuple[Floats, str]:
    """What the run says about each row on the human scale, and how that was had."""
    if _CALIBRATED in answers.column_names:
        ratings = answers[_CALIBRATED]
        if answers.num_rows and not ratings.null_count:
            return ratings.to_numpy(), _CALIBRATED
    return scale.to_ratings(answers[_SCORE].to_numpy()), f"{_SCORE}, stretched to the scale"


def _lists(column: pa.ChunkedArray | None) -> Sequence[Sequence[float | None] | None]:
    if column is None:
        return []
    if not pa.types.is_list(column.type) and not pa.types.is_large_list(column.type):
        raise UsageError(f"single ratings are lists of numbers, not {column.type}")
    found: list[list[float | None] | None] = column.to_pylist()
    return found
