"""The values of one answer column: how often it is filled, and with what."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from jobs.report.measure import encoded
from pipeline.tables import is_string

_MAX_DIFFERENT = 2000
_KEPT = 4096


@dataclass
class FieldTally:
    """What stands in a column.

    Attributes:
        rows, filled: results, and those with a value.
        values: how often each occurs; empty for numbers.
        many: there are more different values than are counted.
        low, high: of numbers; `sample` holds up to 4,096 of them, drawn evenly.
    """

    column: str
    kind: pa.DataType
    rows: int = 0
    filled: int = 0
    values: Counter[str] = field(default_factory=Counter)
    many: bool = False
    low: float = float("inf")
    high: float = float("-inf")
    sample: np.ndarray = field(default_factory=lambda: np.empty(0))
    _keys: np.ndarray = field(default_factory=lambda: np.empty(0))
    _draw: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def is_number(self) -> bool:
        """Whether it has numbers."""
        return bool(pa.types.is_integer(self.kind) or pa.types.is_floating(self.kind))

    def add(self, array: pa.Array) -> None:
        """Count a batch."""
        self.rows += len(array)
        array = array.drop_null()
        self.filled += len(array)
        if self.is_number:
            self._add_numbers(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        elif not self.many and countable(self.kind):
            coded = encoded(array)
            counts = np.bincount(coded.indices.to_numpy(zero_copy_only=False), minlength=len(coded.dictionary))
            self.values.update(dict(zip(coded.dictionary.to_pylist(), counts.tolist(), strict=True)))
            self.many = len(self.values) > _MAX_DIFFERENT

    def _add_numbers(self, numbers: np.ndarray) -> None:
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            return
        self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))
        keys = np.concatenate([self._keys, self._draw.random(len(numbers))])
        sample = np.concatenate([self.sample, numbers])
        kept = np.argpartition(keys, _KEPT)[:_KEPT] if len(keys) > _KEPT else np.arange(len(keys))
        self._keys, self.sample = keys[kept], sample[kept]


def countable(kind: pa.DataType) -> bool:
    """Whether values of a type can be told apart as words."""
    return bool(
        is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind) or pa.types.is_temporal(kind)
    )
