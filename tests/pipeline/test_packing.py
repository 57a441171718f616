"""What is packed by columns comes back equal, of the same classes, and small."""

import pickle
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.elements import Asker, Block, Case, RowRef
from pipeline.packing import from_columns, to_columns
from pipeline.prompts import Text
from schemas.records import TextRecord
from tests.counted import Counted

_plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
_things = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.just(())
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.builds(RowRef, inner, inner)
        | st.builds(Text, st.text(max_size=5))
    ),
    max_leaves=8,
)


def _there_and_back(block: Block[Any]) -> Any:
    return pickle.loads(pickle.dumps(block))  # noqa: S301 - our own


def _as_it_is(value: Any) -> Any:
    """The value with its classes, and the order of its keys: True is not 1, a row's place is not any tuple."""
    match value:
        case tuple() | list():
            return type(value), [_as_it_is(part) for part in value]
        case dict():
            return dict, [(key, _as_it_is(part)) for key, part in value.items()]
    return type(value), value


@given(items=st.lists(_things, max_size=6))
def test_everything_comes_back_as_it_was(items: list[Any]) -> None:
    block = _there_and_back(Block(items))
    assert type(block) is Block
    assert list(map(_as_it_is, block)) == list(map(_as_it_is, items))


def test_tuples_of_several_lengths_and_classes_stay_what_they_are() -> None:
    items = [(1, 2), (1,), (), RowRef(1, 2), Text("a")]
    back = list(from_columns(to_columns(items), len(items)))
    assert list(map(type, back)) == list(map(type, items))
    assert back == items


def test_what_rows_have_in_common_is_pickled_once() -> None:
    shared = Counted()
    before = Counted.times
    block = Block(((shared, i), {"same": shared, "own": i}) for i in range(100))
    back = _there_and_back(block)
    assert Counted.times - before == 1
    assert len({id(pair[0]) for pair, _ in back} | {id(row["same"]) for _, row in back}) == 1


def test_rows_travel_as_columns() -> None:
    """Each name once: what a further row adds is its own values, and little more."""

    def size(num_rows: int) -> int:
        cases = [Case(RowRef(3, i), TextRecord(text=f"row number {i:06}")) for i in range(num_rows)]
        return len(pickle.dumps(Block(Asker(case, "answer", 1, False) for case in cases)))

    assert (size(500) - size(400)) / 100 < 170


class _Pair(NamedTuple):
    one: Any
    other: Any


@pytest.mark.parametrize("kind", [tuple, _Pair])
def test_an_empty_block_and_a_block_of_one_travel(kind: type) -> None:
    one = _Pair(1, "a") if kind is _Pair else (1, "a")
    assert _there_and_back(Block()) == []
    assert _there_and_back(Block([one])) == [one]
