"""Scores against the mean ratings of people, and one human against the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jobs.evaluation.bootstrap import Bools, Floats, Ints, Resampling, Statistic, correlation_of, mean_of
from jobs.evaluation.labels import Labelled
from schemas.evaluation import Figure, HumanCeiling

RATED_LABELS = ("positive", "neutral", "negative")
"""What can follow from a rating."""
_MAX_DRAWS = 20


@dataclass(frozen=True)
class Scale:
    """A scale of ratings, whose middle is neutral.

    Attributes:
        low, high: its ends.
        neutral_within: a mean rating nearer to the middle than this is neutral.
    """

    low: float
    high: float
    neutral_within: float

    @property
    def middle(self) -> float:
        """The neutral rating."""
        return (self.low + self.high) / 2

    def label_numbers(self, ratings: Floats) -> Ints:
        """Which of `RATED_LABELS` ratings mean."""
        above = ratings - self.middle
        return np.where(np.abs(above) < self.neutral_within, 1, np.where(above > 0, 0, 2)).astype(np.int64)

    def to_ratings(self, scores: Floats) -> Floats:
        """Scores in [-1, 1], stretched to the scale."""
        return self.middle + scores * (self.high - self.low) / 2


@dataclass(frozen=True)
class Rated:
    """Rows with a prediction and a human rating.

    Attributes:
        where: for each row of the table, whether it is one of these.
        predicted: on the human scale.
        human: mean ratings.
        scale: what they are on.
    """

    where: Bools
    predicted: Floats
    human: Floats
    scale: Scale

    def among(self, rows: Bools) -> "Rated":
        """Those among some rows of the table."""
        kept = rows[self.where]
        return replace(self, where=self.where & rows, predicted=self.predicted[kept], human=self.human[kept])

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """Correlations, mean distance, and whether the direction is right.

        The interval of Spearman's correlation takes the ranks among all rows.
        """
        if len(self.human) < 2:
            return {}
        scale = f"{self.scale.low:g} … {self.scale.high:g}"
        polar = np.abs(self.human - self.scale.middle) >= self.scale.neutral_within
        same = np.sign(self.predicted - self.scale.middle) == np.sign(self.human - self.scale.middle)
        found = {
            "pearson_r": self._figure(resampling, correlation_of(self.predicted, self.human), "Pearson, human rating"),
            "spearman_r": self._figure(
                resampling, correlation_of(_ranks(self.predicted), _ranks(self.human)), "Spearman, human rating"
            ),
            "mae": resampling.figure(
                mean_of(np.abs(self.predicted - self.human)),
                len(self.human),
                f"mean distance from the human rating, on {scale}",
                higher_is_better=False,
            ),
            "polarity": resampling.figure(
                mean_of(same[polar].astype(np.float64)),
                int(polar.sum()),
                f"right direction, of the rows rated {self.scale.neutral_within:g} or more from neutral",
            ),
        }
        return {name: figure for name, figure in found.items() if figure is not None}

    def _figure(self, resampling: Resampling, statistic: Statistic, about: str) -> Figure | None:
        return resampling.figure(statistic, len(self.human), about)


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata

    ranks: Floats = rankdata(values)
    return ranks


def human_ceiling(ratings: Sequence[Sequence[float | None] | None], scale: Scale, seed: int) -> HumanCeiling | None:
    """How well one human, drawn anew for each row, does against the mean of the others; None without ratings.

    Args:
        ratings: for each row, the single ratings; null and NaN are none, and rows with fewer than two do not count.
    """
    known = (one[np.isfinite(one)] for one in (np.asarray(one or (), np.float64) for one in ratings))
    several = [one for one in known if len(one) > 1]
    if len(several) < 2:
        return None
    draws = min(_MAX_DRAWS, max(map(len, several)))
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(one)) for one in several]
    found: dict[str, list[float]] = {}
    once = Resampling(resamples=0)
    for draw in range(draws):
        one = np.array([row[order[draw % len(row)]] for row, order in zip(several, orders, strict=True)])
        others = np.array([(row.sum() - x) / (len(row) - 1) for row, x in zip(several, one, strict=True)])
        everywhere = np.ones(len(one), np.bool_)
        labels = Labelled(RATED_LABELS, everywhere, scale.label_numbers(others), scale.label_numbers(one), None)
        for name, figure in {
            **Rated(everywhere, one, others, scale).figures(once),
            **labels.figures(once),
        }.items():
            found.setdefault(name, []).append(figure.value)
    return HumanCeiling(
        rows=len(several),
        ratings=sum(map(len, several)),
        draws=draws,
        figures={name: float(np.mean(values)) for name, values in found.items()},
    )
