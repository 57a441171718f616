"""Which columns rows can be grouped by, and counts of classes and sums of scores for each group."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.report.measure import Measure, encoded
from jobs.report.source import Source
from pipeline.errors import UsageError
from pipeline.tables import is_string

MAX_FOUND = 12
"""A column with more values than this is not a category by itself."""
MAX_KEPT = 1000
"""A column with more values than this cannot group at all."""
_LONGEST = 40
_ROWS_EACH = 5
_BINS = 6
_MOST_DIGITS = 15
"""That a float surely has."""
_DATE = re.compile(rb"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_EPOCH_DAYS = (-25_567, 73_050)
"""1900 … 2170: what is outside is no date of feedback."""
_OWN = ("target_language", "source_language", "format", "language", "reply_language")
"""Columns of our tasks' that group their results."""


@dataclass(slots=True)
class Group:
    """The rows with one value.

    Attributes:
        classes: how many have which class.
        total, squares: sums of their scores and of the scores' squares.
    """

    classes: Counter[str] = field(default_factory=Counter)
    total: float = 0.0
    squares: float = 0.0

    @property
    def rows(self) -> int:
        """How many rows have a class."""
        return self.classes.total()

    @property
    def mean(self) -> float:
        """The mean score."""
        return self.total / max(1, self.rows)

    @property
    def deviation(self) -> float:
        """The standard deviation of the scores."""
        return float(np.sqrt(max(0.0, self.squares / max(1, self.rows) - self.mean**2)))

    def error(self, least_deviation: float) -> float:
        """The standard error of the mean score: a few scores that happen to be alike do not make it small.

        Args:
            least_deviation: that of the scores of all rows.
        """
        return float(max(self.deviation, least_deviation) / np.sqrt(max(1, self.rows)))

    def share(self, name: str) -> float:
        """The share of rows with this class."""
        return self.classes[name] / max(1, self.rows)

    def add(self, other: "Group") -> None:
        """Take another group's rows in."""
        self.classes += other.classes
        self.total += other.total
        self.squares += other.squares


@dataclass
class Grouping:
    """Groups of rows by a column.

    Attributes:
        column: its name in the results.
        is_date: values are days since 1970.
        is_asked: somebody named it.
        edges: where a column of numbers is cut into ranges; empty: values are as they are.
        groups: by value; by day, or the number of the range, where there are such.
        overflowed: it has too many values, and was given up.
    """

    column: str
    is_date: bool = False
    is_asked: bool = False
    edges: tuple[float, ...] = ()
    groups: dict[str | int, Group] = field(default_factory=lambda: defaultdict(Group))
    overflowed: bool = False

    def add(self, values: pa.Array, classes: pa.DictionaryArray, scores: np.ndarray | None) -> None:
        """Count a batch; rows without value or class are not counted."""
        if self.overflowed:
            return
        names, codes = self._days(values) if self.is_date else self._names(values)
        kinds = classes.dictionary.to_pylist()
        valid = (codes >= 0) & classes.is_valid().to_numpy(zero_copy_only=False)
        of = classes.indices.fill_null(0).to_numpy(zero_copy_only=False)
        both = codes[valid].astype(np.int64) * max(1, len(kinds)) + of[valid]
        for key, count in zip(*np.unique(both, return_counts=True), strict=True):
            self.groups[names[key // len(kinds)]].classes[kinds[key % len(kinds)]] += int(count)
        if scores is not None and len(names):
            self._add_scores(names, codes[valid], scores[valid])
        self.overflowed = not self.is_date and len(self.groups) > MAX_KEPT

    def _add_scores(self, names: list[str] | list[int], codes: np.ndarray, scores: np.ndarray) -> None:
        totals = np.bincount(codes, scores, len(names))
        squares = np.bincount(codes, scores**2, len(names))
        for i in np.unique(codes):
            group = self.groups[names[i]]
            group.total += float(totals[i])
            group.squares += float(squares[i])

    def _names(self, values: pa.Array) -> tuple[list[str] | list[int], np.ndarray]:
        if self.edges:
            numbers, last = _as_floats(values), len(self.edges) - 2
            codes = np.clip(np.searchsorted(self.edges, np.nan_to_num(numbers), side="right") - 1, 0, last)
            return list(range(last + 1)), np.where(np.isfinite(numbers), codes, -1)
        coded = encoded(values)
        return coded.dictionary.to_pylist(), coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)

    @staticmethod
    def _days(values: pa.Array) -> tuple[list[int], np.ndarray]:
        days = _as_days(values).fill_null(_EPOCH_DAYS[0] - 1).to_numpy(zero_copy_only=False)
        days = np.where((days >= _EPOCH_DAYS[0]) & (days <= _EPOCH_DAYS[1]), days, _EPOCH_DAYS[0] - 1)
        found, codes = np.unique(days, return_inverse=True)
        return [int(day) for day in found], np.where(days < _EPOCH_DAYS[0], -1, codes)


def range_names(edges: tuple[float, ...]) -> list[str]:
    """The ranges between edges, in words: with as many digits as tell the edges apart."""
    written = ([_written(edge, digits) for edge in edges] for digits in range(6, 18))
    names = next((one for one in written if len(set(one)) == len(edges)), [str(edge) for edge in edges])
    return [f"{low} – {high}" for low, high in pairwise(names)]


def _written(edge: float, digits: int) -> str:
    return f"{edge:,.0f}" if edge.is_integer() and abs(edge) < 10**_MOST_DIGITS else f"{edge:,.{digits}g}"


def find_groupings(source: Source, measure: Measure, by: tuple[str, ...]) -> list[Grouping]:
    """The groupings that the data offers, or those asked for.

    Raises:
        UsageError: if one that is asked for is none of the columns, or cannot group.
    """
    if by:
        return [_asked(source, name) for name in by]
    own = [name for name in _OWN if source.has(name)]
    doubles = {new for name, new in source.manifest.renamed_columns.items() if name in own}
    given = [name for name in source.input_columns if name not in source.texts or _is_short(source, name)]
    names = [*(name for name in given if name not in doubles), *own]
    names = [name for name in names if name != measure.column]
    sample = source.first(names)
    found = [_offered(name, sample[name].combine_chunks()) for name in names]
    return [grouping for grouping in found if grouping is not None]


def _is_short(source: Source, name: str) -> bool:
    """Whether a field that was read is no text: a brief's format is one to group by."""
    return len(source.texts) > 1 and name != source.texts[0]


def _offered(name: str, values: pa.Array) -> Grouping | None:
    """The grouping by a column, if these values look like one's."""
    kind = values.type
    values = values.drop_null()
    if len(values) < 2 * _ROWS_EACH:
        return None
    if _is_date(values):
        return Grouping(name, is_date=True)
    groups = is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind)
    if not groups:
        return None
    coded = encoded(values)
    names = coded.dictionary.to_pylist()
    fits = 2 <= len(names) <= min(MAX_FOUND, len(values) // _ROWS_EACH) and max(map(len, names)) <= _LONGEST
    return Grouping(name) if fits else None


def _asked(source: Source, name: str) -> Grouping:
    kind = source.schema.field(name).type
    sample = source.first([name])[name].combine_chunks()
    if _is_date(sample.drop_null()):
        return Grouping(name, is_date=True, is_asked=True)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise UsageError(f"column {name!r} is {kind}: rows cannot be grouped by it")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _has_many(sample):
        return Grouping(name, is_asked=True, edges=_edges(source, name))
    return Grouping(name, is_asked=True)


def _has_many(values: pa.Array) -> bool:
    return bool(pa.types.is_integer(values.type)) and len(values.unique()) > MAX_FOUND


def _edges(source: Source, name: str) -> tuple[float, ...]:
    """Round numbers that cut the column's range into a few equal ranges."""
    batches = (_as_floats(batch.column(0)) for _, _, batch in source.batches([name]))
    ends = [(float(known.min()), float(known.max())) for one in batches if len(known := one[np.isfinite(one)])]
    if not ends:
        return (0.0, 1.0)
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    step = _round_step(high / _BINS - low / _BINS)
    first = np.floor(low / step) * step
    count = max(1, int(np.ceil((high - first) / step - 1e-9)))
    return tuple(float(f"{first + i * step:.{_MOST_DIGITS}g}") for i in range(count + 1))


def _as_floats(values: pa.Array) -> np.ndarray:
    """Numbers, the largest whole ones rounded; NaN where there is none."""
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _round_step(step: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    if not step > 0 or not np.isfinite(step):
        return 1.0
    size = 10.0 ** np.floor(np.log10(step))
    return float(next(size * m for m in (1, 2, 5, 10) if size * m >= step * (1 - 1e-9)))


def _is_date(values: pa.Array) -> bool:
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        return True
    if not is_string(values.type) or not len(values):
        return False
    return all(_DATE.fullmatch(text) for text in values.slice(0, 1000).cast(pa.binary()).to_pylist())


def _as_days(values: pa.Array) -> pa.Array:
    """Days since 1970; null for what is no date."""
    if is_string(values.type):
        known = pc.if_else(pc.match_substring_regex(values.cast(pa.binary()), r"^\d{4}-\d{2}-\d{2}"), values, None)
        days = pc.strptime(pc.utf8_slice_codeunits(known.cast(pa.string()), 0, 10), "%Y-%m-%d", "s", error_is_null=True)
        values = days
    return values.cast(pa.timestamp("s"), safe=False).cast(pa.date32(), safe=False).cast(pa.int32()).cast(pa.int64())
