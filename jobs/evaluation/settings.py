"""What an evaluation is told: where the gold is, and what counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobs.evaluation.bootstrap import Resampling


@dataclass(frozen=True)
class EvaluationSettings:
    """How a run is evaluated.

    Attributes:
        gold: a Parquet file with gold columns; None: they are columns of the results.
        on: the column that says which gold belongs to which result, in both; with translations, their
            `target_language` does too if the gold has it.
        columns: role → the gold's column, where it is not found by its name (`ROLES`); `NO_COLUMN`: it has none.
        by: groups of columns whose values make slices.
        scale: low and high end of the human ratings; None: -n … n, by the largest of them.
        neutral_within: a mean rating nearer to the scale's middle than this is neutral.
        resampling: how intervals are drawn.
    """

    gold: Path | None = None
    on: str = "id"
    columns: Mapping[str, str] = field(default_factory=dict)
    by: tuple[tuple[str, ...], ...] = ()
    scale: tuple[float, float] | None = None
    neutral_within: float = 0.5
    resampling: Resampling = field(default_factory=Resampling)


ROLES: Mapping[str, tuple[str, ...]] = {
    "label": ("gold_label", "human_label", "category"),
    "rating": ("human_rating", "gold_rating"),
    "ratings": ("human_ratings",),
    "reference": ("reference", "gold_translation"),
    "aspects": ("gold_aspects",),
}
"""Role → the names that its column is looked for by."""

NO_COLUMN = "none"

IN_A_FILE: Mapping[str, tuple[str, ...]] = {
    "label": ("label",),
    "rating": ("rating",),
    "ratings": ("ratings",),
    "reference": ("translation",),
    "aspects": ("aspects",),
}
"""Further names in a file of gold, where they cannot be the run's own."""
