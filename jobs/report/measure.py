"""What is compared between groups of rows and over time: one thing for each kind of run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.report.source import Source, as_words
from pipeline.tables import is_string
from schemas.results import CHECKS_COLUMN

PASSED, COMPLAINED = "passed every check", "failed a check"
HANDOVER, SENDABLE = "needs a person", "needs no person"
_ASPECTS = "aspects"
SENTIMENT_LABELS = ("negative", "mixed", "neutral", "positive")


class Kind(StrEnum):
    """What a run gave; tasks of users' own are among them."""

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
        also: further columns that are counted, where the run has them.
    """

    column: str
    number: str | None = None
    good: str | None = None
    also: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it needs."""
        column = f"{CHECKS_COLUMN}.passed" if self.column == CHECKS_COLUMN else self.column
        also = [name for name in self.also if name != _ASPECTS]
        also += [f"{_ASPECTS}.aspect", f"{_ASPECTS}.label"] if _ASPECTS in self.also else []
        return (column, *also) if self.number is None else (column, self.number, *also)

    def classes(self, batch: pa.RecordBatch) -> pa.DictionaryArray:
        """Each row's class, null if it has none."""
        array = batch.column(self.column)
        if self.column == CHECKS_COLUMN:
            words = np.where(_has_failed(array), COMPLAINED, PASSED)
            array = pc.if_else(pc.is_valid(array), pa.array(words, pa.string()), pa.scalar(None, pa.string()))
        elif pa.types.is_boolean(array.type):
            array = pc.if_else(array, HANDOVER, SENDABLE)
        return encoded(array)


def _is_text(kind: pa.DataType) -> bool:
    return is_string(kind) or (pa.types.is_dictionary(kind) and is_string(kind.value_type))


def _are_aspects(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)):
        return False
    return {"aspect", "label"} <= {field.name for field in kind.value_type if _is_text(field.type)}


_OF_TASK = {
    "sentiment": Kind.SENTIMENT,
    "classify": Kind.LABELS,
    "reply": Kind.REPLIES,
    "translate": Kind.TRANSLATIONS,
    "generate": Kind.CONTENT,
    "extract": Kind.COLUMNS,
}
_Fits = Callable[[pa.DataType], bool]
_FORMS: dict[Kind, dict[str, _Fits]] = {
    Kind.SENTIMENT: {"label": _is_text, "score": pa.types.is_floating, "p_positive": pa.types.is_floating},
    Kind.REPLIES: {"reply": _is_text, "needs_human": pa.types.is_boolean},
    Kind.TRANSLATIONS: {"translation": _is_text, "target_language": _is_text},
    Kind.CONTENT: {"title": _is_text, "body": _is_text, "format": _is_text},
    Kind.LABELS: {"label": _is_text},
}
"""By which columns a task of somebody's own is taken for one like ours, and their types."""
_ALSO: dict[Kind, dict[str, _Fits]] = {
    Kind.SENTIMENT: {"uncertainty": pa.types.is_floating, _ASPECTS: _are_aspects},
    Kind.LABELS: {"uncertainty": pa.types.is_floating},
    Kind.REPLIES: {"intent": _is_text, "needs_human_reason": _is_text},
}


def kind_of(source: Source) -> Kind:
    """What a run gave: of our tasks that is known, one of somebody's own has a task's columns or is none of them."""
    if source.manifest.task in _OF_TASK:
        return _OF_TASK[source.manifest.task]
    return next((kind for kind, form in _FORMS.items() if set(form) <= set(_fitting(source, form))), Kind.COLUMNS)


def _fitting(source: Source, form: Mapping[str, _Fits]) -> tuple[str, ...]:
    """Those of the columns that the task gave with the right type."""
    return tuple(name for name, fits in form.items() if source.has(name) and fits(source.schema.field(name).type))


def measure_of(source: Source, kind: Kind) -> Measure | None:
    """What is compared in such a run; None if there is nothing to compare."""
    also = _fitting(source, _ALSO.get(kind, {}))
    if kind is Kind.SENTIMENT:
        return Measure("label", "score", also=also)
    if kind is Kind.LABELS:
        return Measure("label", also=also)
    if kind is Kind.REPLIES:
        return Measure("needs_human", good=HANDOVER, also=also)
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
