"""The arithmetic of calibrations: vector scaling, the rating curve, the bias of a batch.

Sources: Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (vector scaling); Zhou et al., Batch
Calibration, ICLR 2024 (the bias from the mean prediction).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jobs.evaluation.bootstrap import Floats, Ints
from schemas.calibration import RatingCurve

_TINY = 1e-12
_PRIOR_WEIGHT, _PRIOR_BIAS = 0.5, 2.0
"""Standard deviations of log-weights and biases before any row is seen: what keeps a rare label from running away."""
_MAX_KNOTS = 200


@dataclass(frozen=True)
class Scaling:
    """Weights and biases, one for each label."""

    weights: Floats
    biases: Floats

    def apply(self, p: Floats) -> Floats:
        """Probabilities, shape (rows, labels), as they should be."""
        return _softmax(self.weights * _log(p) + self.biases)


def fit_scaling(p: Floats, gold: Ints, classes: Ints) -> Scaling:
    """Vector scaling by penalised maximum likelihood.

    Args:
        p: shape (rows, labels).
        gold: the class of each row.
        classes: the class of each label: labels that the gold cannot tell apart have one in common.
    """
    from scipy.optimize import minimize

    logs, belongs = _log(p), (classes[None, :] == gold[:, None]).astype(np.float64)
    num_labels = p.shape[1]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        log_weights, biases = parameters[:num_labels], parameters[num_labels:]
        weights = np.exp(log_weights)
        q = _softmax(weights * logs + biases)
        right = (q * belongs).sum(axis=1, keepdims=True)
        residual = q - q * belongs / np.maximum(right, _TINY)
        penalty = (log_weights / _PRIOR_WEIGHT) ** 2 + (biases / _PRIOR_BIAS) ** 2
        value = -np.log(np.maximum(right, _TINY)).sum() + penalty.sum() / 2
        by_weight = (residual * logs).sum(axis=0) * weights + log_weights / _PRIOR_WEIGHT**2
        by_bias = residual.sum(axis=0) + biases / _PRIOR_BIAS**2
        return float(value), np.concatenate([by_weight, by_bias])

    found = minimize(loss, np.zeros(2 * num_labels), jac=True, method="L-BFGS-B", bounds=[(-3, 3)] * num_labels * 2)
    return Scaling(np.exp(found.x[:num_labels]), found.x[num_labels:])


def batch_scaling(p: Floats) -> Scaling:
    """Takes out what the run says on average: each label's probability over its mean, as if all were equal."""
    biases = -np.log(np.maximum(p.mean(axis=0), _TINY))
    return Scaling(np.ones(p.shape[1]), biases - biases.mean())


def fit_curve(scores: Floats, ratings: Floats, low: float, high: float) -> RatingCurve:
    """Isotonic regression of ratings on scores, by at most 200 knots."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(scores, ratings)
    x, first = np.unique(fitted.X_thresholds_, return_index=True)
    y = np.maximum.accumulate(fitted.y_thresholds_[first])
    if len(x) > _MAX_KNOTS:
        kept = np.unique(np.linspace(0, len(x) - 1, _MAX_KNOTS).round().astype(int))
        x, y = x[kept], y[kept]
    return RatingCurve(low=low, high=high, scores=x.tolist(), ratings=y.tolist())


def folds_of(texts: Sequence[str | None], num_folds: int, seed: int) -> Ints:
    """The fold of each row, drawn; rows of one text fall into one."""
    numbers = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    groups = np.array([numbers[text] for text in texts], np.int64)
    drawn = np.random.default_rng(seed).permutation(len(numbers))
    folds: Ints = (drawn[groups] % num_folds).astype(np.int64)
    return folds


def _log(p: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(p, _TINY))
    return logs


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = weights / weights.sum(axis=1, keepdims=True)
    return found
