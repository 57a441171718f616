"""What was extracted against gold, by hand-counted examples."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.gates import FIGURES
from jobs.evaluation.gold import Compared
from jobs.evaluation.items import read_aspects, read_fields, read_label_sets, token_f1
from pipeline.errors import UsageError

ONCE = Resampling(resamples=0)


class _Manifest:
    """What of a manifest the items need."""

    answer_columns = ("item", "price", "tags")

    def __init__(self, task: str) -> None:
        self.recipe = {"task": task}


def compared(results, gold, columns=None, from_file=True, task="extract") -> Compared:
    keys = ("id",) if from_file else ()
    table, of_gold = (one if isinstance(one, pa.Table) else pa.table(one) for one in (results, gold))
    return Compared(_Manifest(task), table, tuple(results), of_gold, columns or {}, keys, 3, ())  # type: ignore[arg-type]


def test_fields_are_counted_by_value() -> None:
    results = {"item": ["Lamp ", None, "big table"], "price": [10.0, None, 7.5], "tags": [["a", "b"], [], ["c"]]}
    gold = {"item": ["lamp", "chair", "table"], "price": [10, None, 8], "tags": [["b"], None, ["c"]]}
    items = read_fields(compared(results, gold))
    assert items is not None
    scores = {one.field: one for one in items.scores()}
    item = scores["item"]
    assert (item.gold, item.predicted, item.correct) == (3, 2, 1)
    assert (item.precision, item.recall, item.f1) == (0.5, pytest.approx(1 / 3), 0.4)
    assert item.overlap == pytest.approx((1 + 2 / 3) / 2)
    assert (scores["price"].gold, scores["price"].predicted, scores["price"].correct) == (2, 2, 1)
    assert (scores["tags"].gold, scores["tags"].predicted, scores["tags"].correct) == (2, 3, 2)
    found = items.figures(ONCE)
    assert set(found) <= set(FIGURES)
    assert found["precision"].value == pytest.approx(4 / 7)
    assert found["recall"].value == pytest.approx(4 / 7)
    assert found["exact_rows"].value == 0


def test_without_a_file_gold_fields_are_called_gold() -> None:
    results = {"item": ["a"], "gold_item": ["a"]}
    items = read_fields(compared(results, results, from_file=False))
    assert items is not None
    assert (items.names, items.figures(ONCE)["f1"].value) == (("item",), 1)
    assert read_fields(compared({"item": ["a"]}, {"item": ["a"]}, from_file=False)) is None


def aspect(name: str, label: str, evidence: str | None = None) -> dict[str, str | None]:
    return {"aspect": name, "label": label, "evidence": evidence}


def test_an_aspect_is_right_with_its_label() -> None:
    results = {
        "aspects": [
            [aspect("Battery", "positive", "the battery lasts"), aspect("price", "negative", "dear")],
            [aspect("price", "not_mentioned")],
        ]
    }
    gold = {
        "gold_aspects": [
            [
                aspect("battery", "positive", "battery lasts two days"),
                aspect("price", "positive"),
                aspect("x", "mixed"),
            ],
            [aspect("price", "not_mentioned")],
        ]
    }
    items = read_aspects(compared(results, gold, {"aspects": "gold_aspects"}))
    assert items is not None
    found = items.figures(ONCE)
    assert (found["precision"].value, found["recall"].value) == (0.5, pytest.approx(1 / 3))
    assert found["exact_rows"].value == 0.5
    assert found["overlap"].value == pytest.approx(token_f1("the battery lasts", "battery lasts two days"))


def test_gold_aspects_may_be_json() -> None:
    results = {"aspects": [[aspect("price", "negative")]]}
    for gold in ('{"price": "negative", "fit": null}', '[{"aspect": "price", "label": "negative"}]'):
        items = read_aspects(compared(results, {"g": [gold]}, {"aspects": "g"}))
        assert items is not None
        assert items.figures(ONCE)["f1"].value == 1
    for wrong in ("[1]", "no", '[{"label": "x"}]'):
        with pytest.raises(UsageError, match="no list of aspects"):
            read_aspects(compared(results, {"g": [wrong]}, {"aspects": "g"}))


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [("a b", "A  b", 1), ("a", "b", 0), ("a b", "b c", 0.5), ("很好", "好", 2 / 3), ("!", "!", 1)],
)
def test_token_f1(one: str, other: str, value: float) -> None:
    assert token_f1(one, other) == pytest.approx(value)


def test_several_labels_a_text_are_counted_label_by_label() -> None:
    results = {"labels": [["a", "b"], [], ["b"]]}
    items = read_label_sets(compared(results, {"gold": [["a"], ["a"], ["b"]]}, {"label": "gold"}))
    assert items is not None
    found = items.figures(ONCE)
    assert (found["precision"].value, found["recall"].value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found["exact_rows"].value == pytest.approx(1 / 3)
    assert "overlap" not in found
    assert read_label_sets(compared(results, {"gold": ["a", "a", "b"]}, {"label": "gold"})) is None


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.string())])
def test_texts_without_gold_labels_are_not_counted(kind: pa.DataType) -> None:
    results = {"labels": [["a"], ["b"], ["a", "b"]]}
    gold = pa.table({"gold": pa.array([["a"], None, ["a", "b"]], kind)})
    items = read_label_sets(compared(results, gold, {"label": "gold"}))
    assert items is not None
    assert items.where.tolist() == [True, False, True]
    assert {name: items.figures(ONCE)[name].value for name in ("precision", "exact_rows")} == {
        "precision": 1,
        "exact_rows": 1,
    }
    assert items.among(np.array([True, True, False])).figures(ONCE)["f1"].rows == 1


def test_texts_without_gold_aspects_are_not_counted() -> None:
    results = {"aspects": [[aspect("price", "negative")], [aspect("fit", "mixed")]]}
    items = read_aspects(compared(results, {"g": [[aspect("price", "negative")], None]}, {"aspects": "g"}))
    assert items is not None
    assert (items.names, items.figures(ONCE)["f1"].value) == (("price",), 1)


def test_what_was_joined_on_or_is_gold_of_something_else_is_no_field() -> None:
    table = {"id": ["1"], "item": ["a"], "price": [1.0]}
    given = Compared(
        _Manifest("own"),  # type: ignore[arg-type]
        pa.table(table),
        ("item", "price"),
        pa.table(table),
        {"rating": "price"},
        ("id", "item"),
        1,
        (),
    )
    assert read_fields(given) is None


def test_what_was_counted_of_a_row_is_not_kept() -> None:
    """Two counters a row and field would be 10 MB here."""
    table = {"item": ["a lamp"] * 5000, "price": [7.5] * 5000, "tags": [["a", "b"]] * 5000}
    given = compared(table, table)
    tracemalloc.start()
    items = read_fields(given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert items is not None
    assert items.figures(ONCE)["f1"].value == 1
    assert peak < 5_000_000
