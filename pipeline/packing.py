"""How many like things are pickled: by columns, each name and each common value once.

Rows travel by the million as small tuples in tuples, all of one shape. Pickled one by one, each costs a call of Python
code for every tuple in it; as columns, a list of plain values is one call for all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from operator import is_
from typing import Any


@dataclass(frozen=True)
class _Same:
    """The same object, as often as there are items."""

    value: Any

    def items(self, size: int) -> Iterable[Any]:
        return repeat(self.value, size)


@dataclass(frozen=True)
class _Tuples:
    """Tuples of one class and length, by columns."""

    kind: type[tuple[Any, ...]]
    columns: tuple["Columns", ...]

    def items(self, size: int) -> Iterable[Any]:
        rows = zip(*(column.items(size) for column in self.columns), strict=True)
        return rows if self.kind is tuple else map(partial(tuple.__new__, self.kind), rows)


@dataclass(frozen=True)
class _Dicts:
    """Dicts with the same keys in the same order, by columns."""

    keys: tuple[Any, ...]
    columns: tuple["Columns", ...]

    def items(self, size: int) -> Iterable[Any]:
        rows = zip(*(column.items(size) for column in self.columns), strict=True)
        return (dict(zip(self.keys, row, strict=True)) for row in rows)


@dataclass(frozen=True)
class _Values:
    """Things that are pickled as they are."""

    values: tuple[Any, ...]

    def items(self, size: int) -> Iterable[Any]:
        return self.values


Columns = _Same | _Tuples | _Dicts | _Values


def to_columns(items: Sequence[Any]) -> Columns:
    """The items by columns, which pickle small and fast; what all have in common stays one object."""
    first = items[0] if items else None
    if _are(first, items):
        return _Same(first)
    kind = type(first)
    if _are(kind, map(type, items)):
        if issubclass(kind, tuple) and first and (hasattr(kind, "_fields") or len(set(map(len, items))) == 1):
            return _Tuples(kind, tuple(map(to_columns, zip(*items, strict=True))))
        if kind is dict and first and len(set(map(tuple, items))) == 1:
            return _Dicts(tuple(first), tuple(map(to_columns, zip(*map(dict.values, items), strict=True))))
    return _Values(tuple(items))


def _are(one: Any, items: Iterable[Any]) -> bool:
    return all(map(is_, items, repeat(one)))


def from_columns(columns: Columns, size: int) -> Iterable[Any]:
    """The items again, equal to what they were."""
    return columns.items(size)
