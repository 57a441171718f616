"""JSON schemas to models: whatever a schema allows fits the model, and what the model holds survives Arrow."""

import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from pipeline.engines.scripted import made_up
from pipeline.errors import UsageError
from pipeline.json_models import explicit_schema, model_from_schema, schema_validator
from schemas.arrow import arrow_schema

TEXT = "2025-03-14"  # text, and a date too


def _model(schema: dict):
    return model_from_schema(explicit_schema(schema), "Made")


def _of(**properties) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _column(part: dict) -> pa.DataType:
    return arrow_schema(_model(_of(x=part))).field("x").type


def _value(part: dict, value: object):
    """What a column holds for a value from JSON."""
    return _model(_of(x=part)).model_validate_json(json.dumps({"x": value})).model_dump()["x"]


_scalars = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 2, "maxLength": 12},
        {"type": "string", "format": "date"},
        {"enum": ["a", "b", None]},
        {"const": "only"},
        {"type": "integer", "minimum": -3, "maximum": 5},
        {"type": ["number", "null"], "exclusiveMinimum": 1},
        {"type": "boolean"},
        {"type": ["string", "integer"]},
        {"$ref": "#/$defs/Point"},
        {"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}], "description": "maybe"},
        {"type": "object"},
    ]
)
_names = st.sampled_from(["a", "b c", "_d", "copy", "model_config", "é", "f0", "class", "$ref"])


def _objects(parts: st.SearchStrategy) -> st.SearchStrategy:
    properties = st.dictionaries(_names, parts, min_size=1, max_size=4)
    return properties.flatmap(
        lambda p: st.lists(st.sampled_from(sorted(p)), unique=True).map(
            lambda required: {"type": "object", "properties": p, "required": required}
        )
    )


_parts = st.recursive(
    _scalars,
    lambda p: _objects(p) | p.map(lambda items: {"type": "array", "items": items, "minItems": 1}),
    max_leaves=6,
)
_defs = {"Point": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "integer"}}}}
_schemas = _objects(_parts).map(lambda schema: {**schema, "$defs": _defs})


@settings(deadline=None)
@given(schema=_schemas)
def test_what_a_schema_allows_fits_its_model_and_survives_arrow(schema: dict) -> None:
    spelt = explicit_schema(schema)
    model = model_from_schema(spelt, "Made")
    answer = made_up(spelt, TEXT)
    schema_validator(schema).validate({k: v for k, v in answer.items() if v is not None or k in schema["required"]})
    row = model.model_validate_json(json.dumps(answer)).model_dump()
    assert model.model_validate(row).model_dump() == row
    assert pa.Table.from_pylist([row], arrow_schema(model)).to_pylist() == [row]


@settings(deadline=None)
@given(schema=_schemas)
def test_every_property_is_always_there_and_nothing_else(schema: dict) -> None:
    spelt = explicit_schema(schema)
    assert list(spelt["properties"]) == spelt["required"] == list(schema["properties"])
    model = model_from_schema(spelt, "Made")
    assert arrow_schema(model).names == spelt["required"]
    with pytest.raises(ValidationError):
        model.model_validate_json(json.dumps({**made_up(spelt, TEXT), "more": 1}))
    assert explicit_schema(spelt) == spelt


@pytest.mark.parametrize(
    ("part", "column"),
    [
        ({"type": "string"}, pa.string()),
        ({"type": ["string", "null"], "format": "date"}, pa.date32()),
        ({"type": "string", "format": "date-time"}, pa.timestamp("us", tz="UTC")),
        ({"type": "integer"}, pa.int64()),
        ({"type": ["integer", "number"]}, pa.float64()),
        ({"enum": [1, 2, None]}, pa.int64()),
        ({"enum": [1, 2.5]}, pa.float64()),
        ({"enum": ["a", None]}, pa.string()),
        ({"oneOf": [{"type": "null"}, {"type": "boolean"}]}, pa.bool_()),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, pa.list_(pa.date32())),
        (_of(a={"type": "number"}), pa.struct([("a", pa.float64())])),
        ({"allOf": [{"type": "integer"}], "description": "as pydantic wrote it"}, pa.int64()),
    ],
)
def test_columns_have_the_types_that_the_schema_says(part: dict, column: pa.DataType) -> None:
    assert _column(part) == column


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ({"type": "object"}, {"k": [1, None]}),
        ({}, "ä"),
        (True, 3),
        ({"type": ["string", "integer"]}, 3),
        ({"anyOf": [{"type": "integer"}, {"type": "array"}]}, [3]),
        ({"enum": [1, "a"]}, "a"),
        ({"type": "array"}, [1, "a"]),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", 1]),
        ({"type": "array", "items": {}}, [{}]),
    ],
)
def test_what_has_no_type_is_json_text(part, value: object) -> None:
    assert _column(part) == pa.string()
    assert json.loads(_value(part, value)) == value


def test_null_is_null_in_a_column_of_json_text() -> None:
    assert _value({"type": ["object", "null"]}, None) is None


def test_date_times_are_utc_and_numbers_fit() -> None:
    when = {"type": "string", "format": "date-time"}
    assert _value(when, "2025-03-14T09:00:00+02:00") == datetime(2025, 3, 14, 7, tzinfo=UTC)
    assert _value(when, "2025-03-14T09:00:00") == datetime(2025, 3, 14, 9, tzinfo=UTC)
    assert _value({"type": "string", "format": "date"}, "2025-03-14") == date(2025, 3, 14)
    for part, value in (
        (when, "0001-01-01T00:00:00+14:00"),
        ({"type": "integer"}, 2**63),
        ({"type": "array", "items": {"type": "integer"}}, [-(2**70)]),
        ({"type": "integer", "minimum": 3}, 2),
        ({"type": "string", "maxLength": 2}, "abc"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, []),
        ({"type": "integer"}, "3"),
        ({"type": "number"}, float("inf")),
        ({"type": "object"}, {"a": float("nan")}),
    ):
        with pytest.raises(ValidationError):
            _value(part, value)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "text"}, "no JSON schema: type"),
        (_of(a={"type": "string", "pattern": "("}), "no JSON schema"),
        ({"type": "array", "items": {"type": "string"}}, "must be an object"),
        ({"type": "object"}, "must be an object"),
        (_of(a={"$ref": "#"}), "refers to itself"),
        ({**_of(a={"$ref": "#/$defs/A"}), "$defs": {"A": _of(b={"$ref": "#/$defs/A"})}}, "refers to itself"),
        (_of(a={"$ref": "#/$defs/B"}), "is not in it"),
        (_of(a={"$ref": "https://example.com/schema.json"}), "is not in it"),
        (_of(a={"$dynamicRef": "#a"}), "could refer to anything"),
        ({**_of(a={}), "required": ["b"]}, "requires b"),
    ],
)
def test_a_schema_without_columns_is_one_line(schema: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        explicit_schema(schema)
    assert "\n" not in caught.value.message


def test_the_schema_of_a_pydantic_class_comes_back_as_it() -> None:
    class Item(BaseModel):
        name: str
        price: float | None = None

    class Order(BaseModel):
        items: list[Item]
        day: date
        first: Item | None = None

    assert arrow_schema(_model(Order.model_json_schema())) == arrow_schema(Order)
