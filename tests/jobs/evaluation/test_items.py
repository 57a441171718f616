"""What was extracted against gold, by hand-counted examples."""

import pyarrow as pa
import pytest

from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.gold import Compared
from jobs.evaluation.items import read_aspects, read_fields, read_label_sets, token_f1
from pipeline.errors import UsageError

ONCE = Resampling(resamples=0)


class _Manifest:
    """What of a manifest the items need."""

    answer_columns = ("item", "price", "tags")


def compared(results, gold, columns=None, from_file=True) -> Compared:
    return Compared(_Manifest(), pa.table(results), pa.table(gold), columns or {}, from_file, 3, ())  # type: ignore[arg-type]


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
