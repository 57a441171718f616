"""One pass over the results: all that a report counts, in memory that does not grow with them."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.report.fields import FieldTally
from jobs.report.groups import Grouping
from jobs.report.measure import COMPLAINED, Measure, encoded
from jobs.report.source import Position, Source
from schemas.envelope import STATUS_COLUMN, Status
from schemas.results import CHECKS_COLUMN

SCORE_EDGES = np.linspace(-1, 1, 41)
UNCERTAINTY_EDGES = np.linspace(0, 1, 21)
_MAX_ASPECTS = 5000


class Best:
    """The rows with the largest of some numbers; of equal ones, the first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, Position]] = []

    def add(self, file: int, start: int, numbers: np.ndarray) -> None:
        """Look at a batch; a row that is not to be looked at has NaN."""
        known = np.flatnonzero(~np.isnan(numbers))
        if len(known) > self._size:
            known = known[np.argpartition(-numbers[known], self._size)[: self._size]]
        for i in known:
            entry = (float(numbers[i]), (-file, -(start + int(i))))
            (heapq.heappushpop if len(self._heap) == self._size else heapq.heappush)(self._heap, entry)

    def positions(self) -> list[Position]:
        """Where they are, the largest first."""
        return [(-file, -row) for _, (file, row) in sorted(self._heap, reverse=True)]


@dataclass
class Tally:
    """What was counted.

    Attributes:
        classes: rows by the measure's class.
        scores, uncertainties: histograms over `SCORE_EDGES` and `UNCERTAINTY_EDGES`.
        score_sum: of all scores.
        aspects: how often each aspect has each label.
        highest, lowest, least_certain: rows by score and uncertainty.
        complained, passed: a few rows with and without failed checks, drawn evenly; `chosen`: with the class that the
            measure tells.
    """

    groupings: list[Grouping]
    fields: list[FieldTally]
    classes: Counter[str] = field(default_factory=Counter)
    intents: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    scores: np.ndarray = field(default_factory=lambda: np.zeros(len(SCORE_EDGES) - 1, dtype=np.int64))
    uncertainties: np.ndarray = field(default_factory=lambda: np.zeros(len(UNCERTAINTY_EDGES) - 1, dtype=np.int64))
    score_sum: float = 0.0
    aspects: Counter[tuple[str, str]] = field(default_factory=Counter)
    highest: Best = field(default_factory=lambda: Best(40))
    lowest: Best = field(default_factory=lambda: Best(40))
    least_certain: Best = field(default_factory=lambda: Best(40))
    complained: Best = field(default_factory=lambda: Best(6))
    passed: Best = field(default_factory=lambda: Best(12))
    chosen: Best = field(default_factory=lambda: Best(6))


def tally(source: Source, measure: Measure | None, groupings: list[Grouping], fields: list[FieldTally]) -> Tally:
    """Read the columns that are needed, once."""
    found = Tally(groupings, fields)
    names = [STATUS_COLUMN]
    names += measure.reads if measure else ()
    names += [grouping.column for grouping in groupings] + [one.column for one in fields]
    names += [f"{CHECKS_COLUMN}.passed"] if source.has(CHECKS_COLUMN) else []
    draw = np.random.default_rng(0)
    for file, start, batch in source.batches(list(dict.fromkeys(names))):
        ok = pc.equal(batch.column(STATUS_COLUMN), Status.OK).to_numpy(zero_copy_only=False)
        _count(found, measure, batch)
        _choose(found, source, measure, batch, (file, start), np.where(ok, draw.random(len(ok)), np.nan))
    return found


def _count(found: Tally, measure: Measure | None, batch: pa.RecordBatch) -> None:
    for one in found.fields:
        one.add(batch.column(one.column))
    if measure is None:
        return
    for name, counter in (("intent", found.intents), ("needs_human_reason", found.reasons)):
        if name in measure.also:
            counter += _counted(encoded(batch.column(name)))
    if "aspects" in measure.also:
        found.aspects += _pairs(pc.list_flatten(batch.column("aspects")))
        if len(found.aspects) > _MAX_ASPECTS:
            found.aspects = Counter(dict(found.aspects.most_common(_MAX_ASPECTS // 2)))
    classes = measure.classes(batch)
    found.classes += _counted(classes)
    scores = None if measure.number is None else _numbers(batch, measure.number)
    if scores is not None:
        known = scores[~np.isnan(scores)]
        found.scores += np.histogram(known, SCORE_EDGES)[0]
        found.score_sum += float(known.sum())
    if "uncertainty" in measure.also:
        found.uncertainties += np.histogram(_numbers(batch, "uncertainty"), UNCERTAINTY_EDGES)[0]
    for grouping in found.groupings:
        grouping.add(batch.column(grouping.column), classes, scores)


def _pairs(aspects: pa.Array) -> Counter[tuple[str, str]]:
    """How often each aspect has each label."""
    names, labels = (encoded(aspects.field(name)) for name in ("aspect", "label"))
    words = labels.dictionary.to_pylist()
    codes = pc.add(pc.multiply(names.indices.cast(pa.int64()), max(1, len(words))), labels.indices.cast(pa.int64()))
    found, counts = np.unique(codes.drop_null().to_numpy(zero_copy_only=False), return_counts=True)
    known = names.dictionary.to_pylist()
    pairs = {(known[c // len(words)], words[c % len(words)]): int(n) for c, n in zip(found, counts, strict=True)}
    return Counter(pairs)


def _choose(
    found: Tally,
    source: Source,
    measure: Measure | None,
    batch: pa.RecordBatch,
    place: Position,
    keys: np.ndarray,
) -> None:
    """Look for rows that are to be shown. `keys`: a draw for each row that is ok, NaN for the others."""
    file, start = place
    if measure and measure.number:
        scores = _numbers(batch, measure.number)
        found.highest.add(file, start, np.where(scores > 0, scores, np.nan))
        found.lowest.add(file, start, np.where(scores < 0, -scores, np.nan))
    if measure and "uncertainty" in measure.also:
        found.least_certain.add(file, start, _numbers(batch, "uncertainty"))
    if source.has(CHECKS_COLUMN) and CHECKS_COLUMN in batch.schema.names:
        failed = _is(Measure(CHECKS_COLUMN).classes(batch), COMPLAINED)
        found.complained.add(file, start, np.where(failed, keys, np.nan))
        keys = np.where(failed, np.nan, keys)
    if measure and measure.good and measure.column != CHECKS_COLUMN:
        good = _is(measure.classes(batch), measure.good)
        found.chosen.add(file, start, np.where(good, keys, np.nan))
        keys = np.where(good, np.nan, keys)
    found.passed.add(file, start, keys)


def _is(classes: pa.DictionaryArray, name: str) -> np.ndarray:
    return np.array([one == name for one in classes.to_pylist()], dtype=bool)


def _numbers(batch: pa.RecordBatch, name: str) -> np.ndarray:
    return np.asarray(batch.column(name).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _counted(values: pa.DictionaryArray) -> Counter[str]:
    names: Iterable[str] = values.dictionary.to_pylist()
    of = values.indices.drop_null().to_numpy(zero_copy_only=False)
    counts = np.bincount(of, minlength=len(values.dictionary)) if len(of) else np.zeros(len(values.dictionary), int)
    return Counter({name: int(count) for name, count in zip(names, counts, strict=True) if count})
