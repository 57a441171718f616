"""What is compared between groups of rows and over time: one thing for each kind of run."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.report.source import Source, as_words, is_string
from schemas.results import CHECKS_COLUMN

PASSED, COMPLAINED = "passed every check", "failed a check"
HANDOVER, SENDABLE = "needs a person", "needs no person"
SENTIMENT_LABELS = ("negative", "mixed", "neutral", "positive")


class Kind(StrEnum):
    """What a run gave, by its columns: tasks of users' own are among them."""

    SENTIMENT = "sentiment"
    LABELS = "labels"
    REPLIES = "replies"
    TRANSLATIONS = "translations"
    CONTENT = "content"
    COLUMNS = "columns"


@dataclass(frozen=True, slots=True)
class Measure:
    """A class for each row that is ok and, for sentiment, a score.

    Attributes:
        column: where the class comes from.
        number: the column of the score, if there is one.
        good: the class whose share is told, where there are two; None: all classes are.
    """

    column: str
    number: str | None = None
    good: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it needs."""
        column = f"{CHECKS_COLUMN}.passed" if self.column == CHECKS_COLUMN else self.column
        return (column,) if self.number is None else (column, self.number)

    def classes(self, batch: pa.RecordBatch) -> pa.DictionaryArray:
        """Each row's class, null if it has none."""
        array = batch.column(self.column)
        if self.column == CHECKS_COLUMN:
            words = np.where(_has_failed(array), COMPLAINED, PASSED)
            array = pc.if_else(pc.is_valid(array), pa.array(words, pa.string()), pa.scalar(None, pa.string()))
        elif pa.types.is_boolean(array.type):
            array = pc.if_else(array, HANDOVER, SENDABLE)
        return encoded(array)


def kind_of(source: Source) -> Kind:
    """What a run gave."""
    has = source.has
    if has("score") and has("label"):
        return Kind.SENTIMENT
    if has("reply") and has("needs_human"):
        return Kind.REPLIES
    if has("translation") and has("target_language"):
        return Kind.TRANSLATIONS
    if has("body") and has("title"):
        return Kind.CONTENT
    return Kind.LABELS if has("label") else Kind.COLUMNS


def measure_of(source: Source, kind: Kind) -> Measure | None:
    """What is compared in such a run; None if there is nothing to compare."""
    if kind is Kind.SENTIMENT:
        return Measure("label", "score")
    if kind is Kind.LABELS:
        return Measure("label")
    if kind is Kind.REPLIES:
        return Measure("needs_human", good=HANDOVER)
    if source.has(CHECKS_COLUMN):
        return Measure(CHECKS_COLUMN, good=PASSED)
    return None


def encoded(array: pa.Array) -> pa.DictionaryArray:
    """The array by its different values, which are texts."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_string(array.type):
        array = array.cast(pa.binary())
    codes = array.dictionary_encode()
    return pa.DictionaryArray.from_arrays(codes.indices, pa.array(as_words(_texts(codes.dictionary)), pa.string()))


def _texts(values: pa.Array) -> pa.Array:
    if pa.types.is_binary(values.type):
        return pa.array([value.decode(errors="replace") for value in values.to_pylist()], pa.string())
    return values


def _has_failed(checks: pa.Array) -> np.ndarray:
    """For each row, whether one of its checks failed."""
    passed = pc.list_flatten(checks).field("passed")
    rows = pc.list_parent_indices(checks).to_numpy(zero_copy_only=False)
    failed = np.zeros(len(checks), dtype=bool)
    failed[rows[~passed.fill_null(True).to_numpy(zero_copy_only=False)]] = True
    return failed
