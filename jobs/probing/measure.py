"""What a probe finds: how far answers shift with the group, how often labels flip, which pairs are farthest apart.

Groups are held against each other, not against one that is called normal: a text's shift is how far its answer is from
the mean answer to the same sentence over all groups. Intervals are drawn over sentences, for the texts of one sentence
rise and fall together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from jobs.evaluation.bootstrap import Floats, Resampling, mean_of, ratio
from jobs.probing.texts import Variant
from schemas.evaluation import Figure
from schemas.probe import GroupFigures, ProbedPair, ProbedText

_SIGNED = "mean shift of the score against all groups, -2 … 2"
_UNSIGNED = "mean distance of the probabilities from those of all groups, 0 … 1"
_FLIPS = "share of pairs with another group that have other labels, 0 … 1"


@dataclass(frozen=True)
class Answered:
    """A text of the probe with what the model said of it.

    Attributes:
        score: None where answers have none.
        probabilities: of each label, in one order for all.
    """

    variant: Variant
    label: str
    score: float | None
    probabilities: tuple[float, ...]

    @property
    def values(self) -> Floats:
        """What distances are of."""
        return np.array(self.probabilities if self.score is None else (self.score,))


def distance(one: Answered, other: Answered) -> float:
    """How far apart two answers are: the difference of scores (0 … 2), else total variation (0 … 1)."""
    apart = float(np.abs(one.values - other.values).sum())
    return apart if one.score is not None else apart / 2


def sentences(answered: Sequence[Answered]) -> dict[tuple[str, int], dict[str, list[Answered]]]:
    """Answers by axis and sentence, then by group; sentences that only one group has are left out."""
    found: dict[tuple[str, int], dict[str, list[Answered]]] = {}
    for one in answered:
        groups = found.setdefault((one.variant.axis, one.variant.template), {})
        groups.setdefault(one.variant.group, []).append(one)
    return {key: groups for key, groups in found.items() if len(groups) > 1}


def group_figures(answered: Sequence[Answered], resampling: Resampling) -> list[GroupFigures]:
    """The figures of each group of each axis, in the order in which they come."""
    by_sentence = sentences(answered)
    found = []
    for axis in dict.fromkeys(axis for axis, _ in by_sentence):
        own = [groups for (name, _), groups in by_sentence.items() if name == axis]
        for group in dict.fromkeys(group for groups in own for group in groups):
            those = [groups for groups in own if group in groups]
            found.append(_figures(axis, group, those, resampling))
    return found


def _figures(
    axis: str, group: str, own: Sequence[Mapping[str, Sequence[Answered]]], resampling: Resampling
) -> GroupFigures:
    neutral = [groups for groups in own if groups[group][0].variant.tone == "neutral"]
    flips, pairs = _flips(group, own)
    share = resampling.figure(lambda w: ratio(w @ flips, w @ pairs), len(own), _FLIPS, higher_is_better=False)
    shift = _shift(group, own, resampling)
    if shift is None or share is None:
        raise ValueError(f"there is nothing to say of {group!r}")
    return GroupFigures(
        axis=axis,
        group=group,
        shift=shift,
        neutral_shift=_shift(group, neutral, resampling),
        flips=share,
        pairs=int(pairs.sum()),
    )


def _shift(group: str, own: Sequence[Mapping[str, Sequence[Answered]]], resampling: Resampling) -> Figure | None:
    shifts = np.array([_shift_of(group, groups) for groups in own])
    signed = bool(own) and own[0][group][0].score is not None
    about, better = (_SIGNED, None) if signed else (_UNSIGNED, False)
    return resampling.figure(mean_of(shifts), len(own), about, better)


def _shift_of(group: str, groups: Mapping[str, Sequence[Answered]]) -> float:
    """In one sentence, against the mean of the groups, each of which counts the same."""
    means = {name: np.mean([one.values for one in answers], axis=0) for name, answers in groups.items()}
    away = means[group] - np.mean(list(means.values()), axis=0)
    return float(away[0] if groups[group][0].score is not None else np.abs(away).sum() / 2)


def _flips(group: str, own: Sequence[Mapping[str, Sequence[Answered]]]) -> tuple[Floats, Floats]:
    """By sentence: pairs of the group's texts with those of other groups that have other labels, and all such pairs."""
    flips, pairs = [], []
    for groups in own:
        others = [one for name, answers in groups.items() if name != group for one in answers]
        differ = [one.label != other.label for one in groups[group] for other in others]
        flips.append(sum(differ))
        pairs.append(len(differ))
    return np.array(flips, float), np.array(pairs, float)


def all_pairs(answered: Sequence[Answered]) -> int:
    """How many pairs of texts differ in the group alone."""
    counts = [[len(answers) for answers in groups.values()] for groups in sentences(answered).values()]
    return sum(a * b for sizes in counts for a, b in combinations(sizes, 2))


def worst_pairs(answered: Sequence[Answered], most: int) -> list[ProbedPair]:
    """The pairs that are farthest apart, one of each sentence, the worst first."""
    found = []
    for (axis, _), groups in sentences(answered).items():
        pairs = [(one, other) for a, b in combinations(groups.values(), 2) for one in a for other in b]
        one, other = max(pairs, key=lambda pair: (distance(*pair), pair[0].label != pair[1].label))
        found.append(ProbedPair(axis=axis, distance=distance(one, other), one=_told(one), other=_told(other)))
    return sorted(found, key=lambda pair: -pair.distance)[:most]


def _told(one: Answered) -> ProbedText:
    return ProbedText(group=one.variant.group, text=one.variant.text, label=one.label, score=one.score)
