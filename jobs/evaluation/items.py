"""What was extracted, and what was said of aspects, against gold: precision, recall, F1, and how spans overlap."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.evaluation.bootstrap import Bools, Floats, Resampling, Statistic, mean_of, ratio
from jobs.evaluation.gold import GOLD_PREFIX, Compared
from pipeline.errors import UsageError
from pipeline.text.words import folded, folded_words
from schemas.evaluation import FieldScore, Figure

_NOT_MENTIONED = "not_mentioned"
_Cell = tuple[Counter[Any], Counter[Any], float]
"""What was found, what is there, and how the two overlap."""


@dataclass(frozen=True)
class Items:
    """Items that were found and items that are there, for each row with gold and each field.

    Attributes:
        names: the fields.
        where: for each row of the table, whether it is one of these.
        gold, predicted, correct: how many, shape (rows, fields).
        overlap: token F1 where both sides have one value, NaN elsewhere, the same shape.
    """

    names: tuple[str, ...]
    where: Bools
    gold: Floats
    predicted: Floats
    correct: Floats
    overlap: Floats

    def among(self, rows: Bools) -> "Items":
        """Those among some rows of the table."""
        kept = rows[self.where]
        counts = (self.gold[kept], self.predicted[kept], self.correct[kept], self.overlap[kept])
        return Items(self.names, self.where & rows, *counts)

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """Over all fields: precision, recall and F1 of the items, the rows that are right as a whole, the overlap."""
        gold, predicted, correct = (of.sum(axis=1) for of in (self.gold, self.predicted, self.correct))
        whole = np.all((self.gold == self.correct) & (self.predicted == self.correct), axis=1).astype(np.float64)
        statistics: dict[str, tuple[Statistic, str]] = {
            "precision": (_ratio_of(correct, predicted), "share of the found items that are right"),
            "recall": (_ratio_of(correct, gold), "share of the gold items that were found"),
            "f1": (_ratio_of(correct, (gold + predicted) / 2), "F1 of the items"),
            "exact_rows": (mean_of(whole), "share of rows that are right as a whole"),
        }
        known = np.isfinite(self.overlap)
        if known.any():
            sums, counts = np.where(known, self.overlap, 0).sum(axis=1), known.sum(axis=1).astype(np.float64)
            statistics["overlap"] = (_ratio_of(sums, counts), "mean token F1 where both sides have a value")
        found = {n: resampling.figure(statistic, len(gold), about) for n, (statistic, about) in statistics.items()}
        return {name: figure for name, figure in found.items() if figure is not None}

    def scores(self) -> list[FieldScore]:
        """The same for each field."""
        return [self._score(i, name) for i, name in enumerate(self.names)]

    def _score(self, i: int, name: str) -> FieldScore:
        gold, predicted, correct = (int(of[:, i].sum()) for of in (self.gold, self.predicted, self.correct))
        known = self.overlap[:, i][np.isfinite(self.overlap[:, i])]
        return FieldScore(
            field=name,
            gold=gold,
            predicted=predicted,
            correct=correct,
            precision=correct / predicted if predicted else None,
            recall=correct / gold if gold else None,
            f1=2 * correct / (gold + predicted) if gold + predicted else None,
            overlap=float(known.mean()) if len(known) else None,
        )


def _ratio_of(numerator: Floats, denominator: Floats) -> Statistic:
    return lambda weights: ratio(weights @ numerator, weights @ denominator)


def read_fields(compared: Compared) -> Items | None:
    """The fields that the gold has too: in a file under their names, else as `gold_FIELD`; null says there is nothing.

    What was joined on, or is gold of something else, is no field.
    """
    own = {name: name if compared.from_file else f"{GOLD_PREFIX}{name}" for name in compared.manifest.answer_columns}
    others = {*compared.joined_on, *compared.columns.values()}
    found = {n: column for n, column in own.items() if column in compared.gold.column_names and column not in others}
    if not found:
        return None
    columns = [
        zip(compared.answers[name].to_pylist(), compared.gold[column].to_pylist(), strict=True)
        for name, column in found.items()
    ]
    rows = ([_field(*values) for values in row] for row in zip(*columns, strict=True))
    return _items(tuple(found), np.ones(compared.results.num_rows, np.bool_), rows)


def _field(predicted: Any, gold: Any) -> _Cell:
    ours, theirs = _values(predicted), _values(gold)
    both = ours and theirs
    return ours, theirs, token_f1(*(" ".join(map(str, of.elements())) for of in (ours, theirs))) if both else math.nan


def read_aspects(compared: Compared) -> Items | None:
    """The aspects of sentiment: an item is an aspect with its label, unless it is not mentioned.

    The gold is a list of {aspect, label}, with `evidence` if spans are to be compared, or JSON of the same, or a JSON
    object aspect → label.

    Raises:
        UsageError: if it is none of these.
    """
    column = compared.column("aspects")
    if column is None or "aspects" not in compared.made:
        return None
    if compared.answers["aspects"].null_count == compared.results.num_rows:  # none were asked for
        return None
    name, where = compared.columns["aspects"], _has_gold(column)
    predicted, gold = (of.filter(where).to_pylist() for of in (compared.answers["aspects"], column))
    pairs = [
        (_by_aspect(ours or ()), _by_aspect(_gold_aspects(theirs, name)))
        for ours, theirs in zip(predicted, gold, strict=True)
    ]
    names = tuple(sorted(set().union(*({*ours, *theirs} for ours, theirs in pairs))))
    rows = ([_aspect(ours.get(n), theirs.get(n)) for n in names] for ours, theirs in pairs)
    return _items(names, where, rows) if names else None


def read_label_sets(compared: Compared) -> Items | None:
    """Classification with several labels a text, against gold that is lists of labels; an item is a label."""
    column = compared.column("label")
    if column is None or "labels" not in compared.made:
        return None
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return None
    where = _has_gold(column)
    predicted, gold = (of.filter(where).to_pylist() for of in (compared.answers["labels"], column))
    names = tuple(sorted({label for labels in (*predicted, *gold) for label in labels or ()}))
    pairs = zip(predicted, gold, strict=True)
    rows = ([(_one_if(n in ours), _one_if(n in theirs), math.nan) for n in names] for ours, theirs in pairs)
    return _items(names, where, rows) if names else None


def _has_gold(column: pa.ChunkedArray) -> Bools:
    return np.asarray(column.is_valid().to_numpy(), np.bool_)


def _one_if(there: bool) -> Counter[Any]:
    return Counter([True]) if there else Counter()


def _gold_aspects(gold: Any, column: str) -> Iterable[Mapping[str, Any]]:
    try:
        value = json.loads(gold) if isinstance(gold, str) else gold or ()
        if isinstance(value, dict):
            value = [{"aspect": name, "label": label} for name, label in value.items() if label is not None]
        return [{"aspect": str(one["aspect"]), **one} for one in value]
    except (ValueError, TypeError, KeyError):
        raise UsageError(f"the gold in {column!r} is no list of aspects and labels") from None


def _by_aspect(aspects: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {folded(one["aspect"]): one for one in aspects}


def _aspect(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> _Cell:
    return _said(ours), _said(theirs), _span_overlap(ours, theirs)


def _said(aspect: Mapping[str, Any] | None) -> Counter[Any]:
    label = None if aspect is None else aspect.get("label")
    return Counter() if label in (None, _NOT_MENTIONED) else Counter([label])


def _span_overlap(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> float:
    ours, theirs = (None if of is None else of.get("evidence") for of in (one, other))
    return math.nan if not ours or not theirs else token_f1(ours, theirs)


def _items(names: tuple[str, ...], where: Bools, rows: Iterable[Sequence[_Cell]]) -> Items:
    """Counts from the cells of each row, which are looked at one by one and not kept."""
    counts = np.zeros((4, int(where.sum()), len(names)))
    for i, row in enumerate(rows):
        for j, (ours, theirs, overlap) in enumerate(row):
            counts[:, i, j] = theirs.total(), ours.total(), (ours & theirs).total(), overlap
    return Items(names, where, *counts)


def _values(value: Any) -> Counter[Any]:
    """The items of a field: none of null, each of a list, else one; text without case and spacing, numbers as such."""
    if value is None:
        return Counter()
    if isinstance(value, list):
        return Counter(item for one in value for item in _values(one).elements())
    if isinstance(value, str):
        return Counter([folded(value)])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Counter([float(value)])
    if isinstance(value, dict):
        return Counter([json.dumps(value, sort_keys=True, default=str)])
    return Counter([str(value)])


def token_f1(one: str, other: str) -> float:
    """F1 of the words of two texts, in [0, 1]; characters in scripts without spaces."""
    ours, theirs = Counter(folded_words(one)), Counter(folded_words(other))
    total = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / total if total else float(one == other)
