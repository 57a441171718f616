"""pydantic models to Arrow types: the one place that decides how a field looks on disk."""

import types
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

_SCALARS: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    datetime: pa.timestamp("us", tz="UTC"),
    date: pa.date32(),
}


def arrow_type(annotation: Any) -> pa.DataType:
    """The Arrow type of a pydantic field's annotation.

    Scalars, `Literal` and `Enum` of strings, `X | None`, `list[X]` and `tuple[X, ...]`, `dict[str, X]` and nested
    models are known.

    Raises:
        TypeError: for any other annotation.
    """
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return pa.struct(list(arrow_fields(annotation)))
        if issubclass(annotation, Enum):
            return arrow_type(type(next(iter(annotation)).value))
        if annotation in _SCALARS:
            return _SCALARS[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return arrow_type(type(args[0]))
    if origin in (Union, types.UnionType):
        (inner,) = [arg for arg in args if arg is not types.NoneType] or [None]
        return arrow_type(inner)
    if origin is list or (origin is tuple and len(args) == 2 and args[1] is Ellipsis):
        return pa.list_(arrow_type(args[0]))
    if origin is dict and args[0] is str:
        return pa.map_(pa.string(), arrow_type(args[1]))
    raise TypeError(f"no Arrow type for {annotation!r}")


def arrow_fields(model: type[BaseModel]) -> list[pa.Field]:
    """The Arrow fields of a model, in its order and under its aliases; all nullable, for a failed row has none."""
    return [pa.field(f.alias or name, arrow_type(f.annotation)) for name, f in model.model_fields.items()]


def arrow_schema(model: type[BaseModel]) -> pa.Schema:
    """The Arrow schema of a model's fields; `checks`, which results inherit, come behind what they are about."""
    fields = arrow_fields(model)
    return pa.schema(sorted(fields, key=lambda field: field.name == "checks"))
