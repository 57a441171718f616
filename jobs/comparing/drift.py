"""How far two runs' answers differ, and how far they would by chance.

All is computed from counts: how many rows that both runs have fell into bin i with one and into bin j with the other,
and how many rows that only one has fell into each bin. Chance is an exchange: if the runs do not differ, it does not
matter which of a row's two answers came from which, nor which of the other rows went to which. So the two answers of a
row are swapped at random, and the other rows dealt anew, thousands of times, and what is seen is held against that.

Source: population stability index: Siddiqi, Credit Risk Scorecards, 2006 (0.1 is a small shift, 0.25 a large one);
Jensen-Shannon distance: Endres and Schindelin, 2003, in bits; p of a permutation test: Phipson and Smyth, 2010; several
tests: Holm, 1979, without those that cannot find anything: Tarone, 1990; interval of a share: Wilson, 1927.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_LEAST_EXCHANGES = 5_000
_Z_95 = 1.959964
_PSEUDO_COUNT = 0.5
"""Added to every bin, so that an empty one is rare and not impossible."""

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Statistic = Callable[[Counts, Counts], Floats]
"""From the counts of both runs (…, bins) to one number for each."""


@dataclass(frozen=True)
class Crossed:
    """What two runs A and B say, counted by bins.

    Attributes:
        pairs: [i, j]: rows of both runs that are in bin i in A and in bin j in B.
        only_a, only_b: rows with a value in one run only, by bin.
    """

    pairs: Counts
    only_a: Counts
    only_b: Counts

    @property
    def a(self) -> Counts:
        """A's counts by bin."""
        return np.asarray(self.pairs.sum(1) + self.only_a)

    @property
    def b(self) -> Counts:
        """B's counts by bin."""
        return np.asarray(self.pairs.sum(0) + self.only_b)


def population_stability(a: Counts, b: Counts) -> Floats:
    """The population stability index of two histograms over the last axis; 0 if they are alike."""
    p, q = _shares(a), _shares(b)
    return np.asarray(((q - p) * np.log(q / p)).sum(-1))


def jensen_shannon(a: Counts, b: Counts) -> Floats:
    """The Jensen-Shannon distance of two histograms over the last axis, in [0, 1]."""
    p, q = _shares(a), _shares(b)
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum(-1) / 2
    return np.asarray(np.sqrt(np.maximum(0, divergence)))


def _shares(counts: Counts) -> Floats:
    smoothed = counts + _PSEUDO_COUNT
    return np.asarray(smoothed / smoothed.sum(-1, keepdims=True))


def rise(a: Counts, b: Counts) -> Floats:
    """By how much the share of the last bin is larger in B."""
    return np.asarray(b[..., -1] / np.maximum(1, b.sum(-1)) - a[..., -1] / np.maximum(1, a.sum(-1)))


@dataclass(frozen=True)
class Chance:
    """What chance does to a statistic.

    Attributes:
        usual: what it stays below in 99 of 100 exchanges.
        p: how often an exchange gives as much as was seen, or more.
        testable: whether exchanges give different values; if not, nothing can be found.
    """

    usual: float
    p: float
    testable: bool


def enough_exchanges(num_figures: int, alpha: float) -> int:
    """How many exchanges a figure needs, so that its smallest p is half of what stands out among so many figures."""
    return max(_LEAST_EXCHANGES, math.ceil(2 * num_figures / alpha))


def by_chance(crossed: Crossed, statistic: Statistic, seed: int, exchanges: int = _LEAST_EXCHANGES) -> Chance:
    """Hold a statistic of two runs against exchanges of their rows."""
    seen = float(statistic(crossed.a, crossed.b))
    drawn = statistic(*exchange(crossed, exchanges, np.random.default_rng(seed)))
    as_much = int(np.count_nonzero(drawn >= seen - 1e-12))
    testable = bool(np.ptp(drawn) > 1e-12)
    return Chance(float(np.quantile(drawn, 0.99)), (1 + as_much) / (1 + exchanges), testable)


def exchange(crossed: Crossed, number: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Counts of both runs (number, bins) after so many random exchanges."""
    a = np.tile(np.diag(crossed.pairs), (number, 1))
    b = a.copy()
    unequal = np.triu(crossed.pairs + crossed.pairs.T, 1)
    for i, j in np.argwhere(unequal):
        stay = rng.binomial(unequal[i, j], 0.5, number)
        swap = unequal[i, j] - stay
        a[:, i] += stay
        a[:, j] += swap
        b[:, i] += swap
        b[:, j] += stay
    others = crossed.only_a + crossed.only_b
    dealt = rng.multivariate_hypergeometric(others, crossed.only_a.sum(), number, method="marginals")
    return a + dealt, b + (others - dealt)


def cross(codes_a: Counts, codes_b: Counts, rows_a: Counts, rows_b: Counts, num_bins: int, both_only: bool) -> Crossed:
    """Count the codes of two runs, of which negative ones are unknown.

    Args:
        rows_a, rows_b: the numbers of the rows that both have, pair by pair.
        both_only: leave out the rows that only one has.
    """
    first, second = codes_a[rows_a], codes_b[rows_b]
    known = (first >= 0) & (second >= 0)
    cells = np.bincount(first[known] * num_bins + second[known], minlength=num_bins**2)
    rest_a = np.zeros(0, np.int64) if both_only else np.delete(codes_a, rows_a[known])
    rest_b = np.zeros(0, np.int64) if both_only else np.delete(codes_b, rows_b[known])
    only_a, only_b = (np.bincount(rest[rest >= 0], minlength=num_bins) for rest in (rest_a, rest_b))
    return Crossed(cells.reshape(num_bins, num_bins), only_a, only_b)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, so that all of them together err as seldom as one."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(np.argsort(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share; (0, 1) if nothing is known."""
    if not of:
        return 0.0, 1.0
    share, z2 = hits / of, _Z_95**2 / of
    middle = (share + z2 / 2) / (1 + z2)
    spread = np.sqrt(share * (1 - share) * z2 + z2**2 / 4) / (1 + z2)
    return float(max(0.0, middle - spread)), float(min(1.0, middle + spread))
