"""Bounds on figures, for a schedule that stops when results are not good enough."""

from collections.abc import Mapping, Sequence

from pipeline.errors import UsageError
from schemas.evaluation import Figure

FIGURES = (
    *("accuracy", "macro_f1", "macro_recall", "ece", "brier"),
    *("pearson_r", "spearman_r", "mae", "polarity"),
    *("precision", "recall", "f1", "exact_rows", "overlap"),
    *("chrf", "chrf_plus", "bleu", "ter", "sentence_chrf", "estimate_r"),
    *("strict_pass_rate", "distinct_1", "distinct_2", "distinct_3", "duplicates"),
)
"""All that an evaluation can have."""

Bound = tuple[str, float]


def worse_than(headline: Mapping[str, Figure], least: Sequence[Bound], most: Sequence[Bound]) -> list[str]:
    """Which bounds are not kept, in a line each; a figure that is not defined, as that of a constant, keeps none.

    Raises:
        UsageError: for a figure that no evaluation has.
    """
    for name, _ in (*least, *most):
        if name not in FIGURES:
            raise UsageError(f"there is no figure {name!r}", f"there are: {', '.join(headline)}")
    asked = dict.fromkeys(name for name, _ in (*least, *most))
    undefined = [f"{name} is not defined" for name in asked if name not in headline]
    values = {name: figure.value for name, figure in headline.items()}
    low = [f"{n} is {values[n]:.3f}, below {bound:g}" for n, bound in least if n in values and values[n] < bound]
    high = [f"{n} is {values[n]:.3f}, above {bound:g}" for n, bound in most if n in values and values[n] > bound]
    return undefined + low + high
