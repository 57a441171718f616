"""Labels against gold labels: how many are right, which are taken for which, and whether probabilities hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from jobs.evaluation.bootstrap import Bools, Floats, Ints, Resampling, Statistic, mean_of, ratio
from schemas.evaluation import Figure, LabelFigures, LabelScore, Reliability, ReliabilityBin

NUM_BINS = 10


@dataclass(frozen=True)
class Labelled:
    """Rows with a label and a gold label.

    Attributes:
        labels: their names.
        where: for each row of the table, whether it is one of these.
        gold, predicted: numbers of labels, a row each.
        p: the labels' probabilities, shape (rows, labels); None where the run gave none that add up to 1.
    """

    labels: tuple[str, ...]
    where: Bools
    gold: Ints
    predicted: Ints
    p: Floats | None

    @property
    def correct(self) -> Floats:
        """1 for each row whose label is right, else 0."""
        correct: Floats = (self.gold == self.predicted).astype(np.float64)
        return correct

    def among(self, rows: Bools) -> "Labelled":
        """Those among some rows of the table."""
        kept = rows[self.where]
        p = None if self.p is None else self.p[kept]
        return replace(self, where=self.where & rows, gold=self.gold[kept], predicted=self.predicted[kept], p=p)

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """Accuracy, macro averages over the labels that the gold has, calibration."""
        statistics: dict[str, tuple[Statistic, str, bool]] = {
            "accuracy": (mean_of(self.correct), "share of labels that are right", True),
            "macro_f1": (self._macro("f1"), "mean F1 of the labels that the gold has", True),
            "macro_recall": (self._macro("recall"), "mean recall of the labels that the gold has", True),
        }
        if self.p is not None:
            statistics["ece"] = (self._ece(), f"expected calibration error, {NUM_BINS} bins of equal width", False)
            statistics["brier"] = (mean_of(self.brier), "Brier score over all labels, 0 … 2", False)
        found = {
            name: resampling.figure(statistic, len(self.gold), about, better)
            for name, (statistic, about, better) in statistics.items()
        }
        return {name: figure for name, figure in found.items() if figure is not None}

    def summary(self, source: str, merged: Mapping[str, str]) -> LabelFigures:
        """The confusion matrix, and each label's precision and recall.

        Args:
            source: where the gold is from.
            merged: label → the one that it counts as.
        """
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        numbers = list(range(len(self.labels)))
        confusion = confusion_matrix(self.gold, self.predicted, labels=numbers)
        scores = precision_recall_fscore_support(self.gold, self.predicted, labels=numbers, zero_division=0)
        per_label = []
        for name, precision, recall, f1, gold, predicted in zip(
            self.labels, *scores, confusion.sum(axis=0), strict=True
        ):
            per_label.append(
                LabelScore(
                    label=name,
                    gold=int(gold),
                    predicted=int(predicted),
                    precision=float(precision) if predicted else None,
                    recall=float(recall) if gold else None,
                    f1=float(f1) if gold or predicted else None,
                )
            )
        return LabelFigures(
            source=source,
            labels=list(self.labels),
            confusion=confusion.tolist(),
            per_label=per_label,
            merged=dict(merged),
        )

    def reliability(self, calibration: str | None) -> Reliability | None:
        """The reliability table; None without probabilities.

        Args:
            calibration: digest of the one that was used.
        """
        if self.p is None or not len(self.gold):
            return None
        bins = []
        for number, rows in enumerate(_in_bins(self.confidence).T.astype(bool)):
            count = int(rows.sum())
            bins.append(
                ReliabilityBin(
                    low=number / NUM_BINS,
                    high=(number + 1) / NUM_BINS,
                    rows=count,
                    confidence=float(self.confidence[rows].mean()) if count else None,
                    accuracy=float(self.correct[rows].mean()) if count else None,
                )
            )
        once = np.ones((1, len(self.gold)))
        ece, brier = self._ece()(once)[0], self.brier.mean()
        return Reliability(bins=bins, ece=float(ece), brier=float(brier), calibration=calibration)

    @property
    def confidence(self) -> Floats:
        """The probability of the label given."""
        given: Floats = np.clip(_given(self.p)[np.arange(len(self.predicted)), self.predicted], 0, 1)
        return given

    @property
    def brier(self) -> Floats:
        """Each row's squared distance from the gold."""
        p = _given(self.p)
        squared: Floats = ((p - np.eye(len(self.labels))[self.gold]) ** 2).sum(axis=1)
        return squared

    def _ece(self) -> Statistic:
        gaps = _in_bins(self.confidence) * (self.confidence - self.correct)[:, None]
        return lambda weights: ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))

    def _macro(self, which: str) -> Statistic:
        one_hot = np.eye(len(self.labels))
        gold, predicted = one_hot[self.gold], one_hot[self.predicted]
        right = gold * predicted

        def statistic(weights: Floats) -> Floats:
            num_gold, num_predicted, num_right = weights @ gold, weights @ predicted, weights @ right
            whole = num_gold if which == "recall" else (num_gold + num_predicted) / 2
            scores = np.where(num_gold > 0, np.nan_to_num(ratio(num_right, whole)), 0)
            return ratio(scores.sum(axis=1), (num_gold > 0).sum(axis=1).astype(np.float64))

        return statistic


def _given(p: Floats | None) -> Floats:
    if p is None:
        raise ValueError("there are no probabilities")
    return p


def _in_bins(confidence: Floats) -> Floats:
    """One column for each bin (low, high], 1 where a row falls into it; 0 falls into the first."""
    numbers = np.clip(np.ceil(confidence * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    found: Floats = np.eye(NUM_BINS)[numbers]
    return found
