"""The arithmetic behind a cascade's promise.

Kept answers of a cheaper model may differ from the last model's on at most a share `risk` of all rows. A score says how
likely an answer is to agree; it is fitted on one part of a sample, and where it is cut is settled on the other part. As
the share of kept and wrong rows only grows when the cut is lowered, the lowest cut whose exact binomial bound is below
`risk` keeps the promise with probability 1 - `delta` over the draw of the sample, whatever the score is worth.

Source: Bates et al., Distribution-Free, Risk-Controlling Prediction Sets, JACM 2021, with the binomial tail as bound.
Rows are drawn without replacement, for which the binomial bound is the larger one (Uhlmann, Metrika 1966).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.cascade import Thresholds

Floats = NDArray[np.float64]

_TINY = 1e-12
_OFFSET_SPREAD, _SLOPE_SPREAD = 1.0, 1.0
"""Standard deviations of a label's offset and of the log-slope before any row is seen: what holds rare labels back."""
_RESOLUTION = 1e9


@dataclass(frozen=True)
class Answered:
    """A cheaper model's answers to a sample: only those that are results.

    Attributes:
        labels, probabilities: what it says, and how sure it is.
        agrees: whether the last model says the same.
    """

    labels: tuple[str, ...]
    probabilities: Floats
    agrees: NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """How likely an answer is to agree, as log-odds: `slope * logit(probability) + offset` of the label."""

    slope: float
    offsets: dict[str, float]

    def of(self, answered: Answered) -> Floats:
        """The score of each answer; minus infinity for a label that was not seen when it was fitted."""
        offsets = np.array([self.offsets.get(label, -math.inf) for label in answered.labels])
        scores: Floats = self.slope * _logit(answered.probabilities) + offsets
        return scores

    def thresholds(self, cut: float) -> Thresholds:
        """The probabilities, by label, from which on a score is above a cut.

        They lie above the cut itself by more than rounding takes away, so that a tie is not kept.
        """
        found = {}
        for label, offset in sorted(self.offsets.items()):
            at = 0.0 if cut == -math.inf else _sigmoid((cut - offset) / self.slope)
            found[label] = 0.0 if cut == -math.inf else (round(at * _RESOLUTION) + 1) / _RESOLUTION
        return Thresholds(by_label=found)


def most_errors(rows: int, risk: float, delta: float) -> int:
    """The most kept and wrong rows in a sample that still prove their share of all rows to be at most `risk`.

    Returns:
        -1 if the sample is too small to prove it even without one.
    """
    from scipy.stats import binom

    found = int(binom.ppf(delta, rows, risk))
    return found if binom.cdf(found, rows, risk) <= delta else found - 1


def fewest_rows(risk: float, delta: float) -> int:
    """How many rows a sample must have at the least: as many as prove `risk` when none is wrong."""
    return math.ceil(math.log(delta) / math.log1p(-risk))


def fit_score(answered: Answered) -> Score:
    """Logistic regression of agreement on label and log-odds, penalised: a rare label is taken for an average one."""
    from scipy.optimize import minimize

    names = sorted(set(answered.labels))
    which = np.array([names.index(label) for label in answered.labels], dtype=np.int64)
    x, y = _logit(answered.probabilities), answered.agrees.astype(np.float64)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slope, common, offsets = math.exp(parameters[0]), parameters[1], parameters[2:]
        z = slope * x + common + offsets[which]
        residual = 1 / (1 + np.exp(-z)) - y
        penalty = (parameters[0] / _SLOPE_SPREAD) ** 2 + ((offsets / _OFFSET_SPREAD) ** 2).sum()
        by_offset = np.bincount(which, residual, len(names)) + offsets / _OFFSET_SPREAD**2
        by_slope = (residual * x).sum() * slope + parameters[0] / _SLOPE_SPREAD**2
        value = np.logaddexp(0, z).sum() - (y * z).sum() + penalty / 2
        return float(value), np.concatenate([[by_slope, residual.sum()], by_offset])

    bounds = [(-3, 3), (-10, 10), *[(-10, 10)] * len(names)]
    found = minimize(loss, np.zeros(2 + len(names)), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Score(math.exp(found[0]), {name: float(found[1] + found[2 + i]) for i, name in enumerate(names)})


def lowest_cut(
    scores: Floats, agrees: NDArray[np.bool_], rows: int, risk: float, delta: float, unknown: int = 0
) -> float | None:
    """The lowest cut that is proven; answers with a score above it are kept. None: none is.

    Args:
        scores, agrees: of the answers of the part that proves.
        rows: of that part, those without an answer included.
        unknown: of these, those that may have an answer the next time: each counts as kept and wrong.
    """
    allowed = most_errors(rows, risk, delta) - unknown
    if allowed < 0:
        return None
    wrong = np.sort(scores[~agrees])[::-1]
    return float(wrong[allowed]) if len(wrong) > allowed else -math.inf


def learn_thresholds(
    fitted: Answered, proof: Answered, proof_rows: int, risk: float, delta: float, unknown: int = 0
) -> Thresholds:
    """The thresholds that are proven; without any, none of the answers is kept. Arguments are as of `lowest_cut`."""
    if not len(fitted.labels):
        return Thresholds()
    score = fit_score(fitted)
    cut = lowest_cut(score.of(proof), proof.agrees, proof_rows, risk, delta, unknown)
    return Thresholds() if cut is None else score.thresholds(cut)


def answered_of(labels: Sequence[str], probabilities: Sequence[float], agrees: Sequence[bool]) -> Answered:
    """Answers from plain values."""
    return Answered(tuple(labels), np.array(probabilities, dtype=np.float64), np.array(agrees, dtype=np.bool_))


def _logit(p: Floats) -> Floats:
    clipped = np.clip(p, _TINY, 1 - _TINY)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0
