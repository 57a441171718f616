"""JSON schemas to pydantic models, so that what a schema allows has typed columns.

pydantic writes JSON schemas but reads none, and the libraries that do either write source files or turn what they do
not know into `Any`, which has no column. Here, what has no type of its own (an object of any keys, a union of several
types, a tuple) is a column of JSON text. A schema says more than a type can; whoever wants all of it validates with
`jsonschema` as well.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import reduce
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import jsonschema
from jsonschema.validators import validator_for
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, create_model

from pipeline.errors import UsageError
from schemas.results import Result

Schema = Mapping[str, Any]

_NAMED = ("properties", "patternProperties", "dependentSchemas")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")
_DEFINITIONS = ("$defs", "definitions")
_ANNOTATIONS = {"title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly"}

_SCALARS: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool}
_FORMATS: Mapping[str, Any] = {"date": date, "date-time": datetime}
_NUMBER_LIMITS = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
_LIMITS: Mapping[Any, Mapping[str, str]] = {
    int: _NUMBER_LIMITS,
    float: _NUMBER_LIMITS,
    str: {"minLength": "min_length", "maxLength": "max_length"},
    list: {"minItems": "min_length", "maxItems": "max_length"},
}
_INT64 = 2**63


# ---------------------------------------------------------------------------------------------------------- schemas


def explicit_schema(schema: Schema) -> dict[str, Any]:
    """The same schema with nothing left open: every object has just its properties, and always all of them.

    A property that was optional may be null instead. References are written out, since not every engine follows them.

    Raises:
        UsageError: if it is not a JSON schema, describes no object with properties at its top, refers to itself or to
            another document.
    """
    try:
        _validator_class(schema).check_schema(schema, format_checker=jsonschema.FormatChecker())
    except jsonschema.SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        raise UsageError(f"this is no JSON schema: {f'{place}: ' if place else ''}{error.message[:200]}") from None
    spelt = _spelt_out(_inlined(schema, schema, ()))
    if not isinstance(spelt, dict) or spelt.get("type", "object") != "object" or not spelt.get("properties"):
        raise UsageError("the schema has no columns: its top must be an object with properties")
    return spelt


def schema_validator(schema: Schema) -> Any:
    """A `jsonschema` validator, which checks formats too as far as it knows them."""
    return _validator_class(schema)(schema, format_checker=jsonschema.FormatChecker())


def _validator_class(schema: Schema) -> Any:
    return validator_for(dict(schema), default=jsonschema.Draft202012Validator)


def allows_null(schema: Any) -> bool:
    """Whether null is valid."""
    return bool(jsonschema.Draft202012Validator(schema).is_valid(None))


def _inlined(schema: Any, root: Schema, followed: tuple[str, ...]) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    if "$dynamicRef" in schema:
        raise UsageError("the schema has a $dynamicRef, which could refer to anything")
    rest = {key: value for key, value in schema.items() if key not in ("$ref", *_DEFINITIONS)}
    rest = _mapped(rest, lambda part: _inlined(part, root, followed))
    if not isinstance(ref := schema.get("$ref"), str):
        return rest
    if ref in followed:
        raise UsageError(f"the schema refers to itself ({ref}), so its columns would never end")
    return _both(_inlined(_find(root, ref), root, (*followed, ref)), rest)


def _find(root: Schema, ref: str) -> Any:
    """What a JSON pointer (`#/$defs/Name`) points at."""
    found: Any = root
    pointer, *parts = ref.split("/")
    try:
        for part in parts:
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            found = found[int(part)] if isinstance(found, list) else found[part]
    except (LookupError, TypeError, ValueError):
        found = None
    if pointer != "#" or found is None:
        raise UsageError(f"the schema refers to {ref!r}, which is not in it")
    return found


def _both(one: Any, other: dict[str, Any]) -> Any:
    """A schema that says what both say."""
    if not other:
        return one
    if isinstance(one, Mapping) and not set(one) & set(other) - _ANNOTATIONS:
        return {**one, **other}
    return {"allOf": [one, other]}


def _mapped(schema: Schema, change: Callable[[Any], Any]) -> dict[str, Any]:
    """The schema with a change made to each schema right inside it."""
    new = dict(schema)
    for key in _NAMED:
        if key in new:
            new[key] = {name: change(part) for name, part in new[key].items()}
    for key in _LISTED:
        if key in new:
            new[key] = [change(part) for part in new[key]]
    for key in _SINGLE:
        if isinstance(new.get(key), Mapping):
            new[key] = change(new[key])
    return new


def _spelt_out(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    new = dict(schema)
    if len(new.get("allOf", ())) == 1:  # how pydantic once wrote a reference with a description
        (only,) = new.pop("allOf")
        if "allOf" not in (merged := _both(only, new)):
            return _spelt_out(merged)
        new["allOf"] = [only]
    for key in ("anyOf", "oneOf"):
        if key in new:
            new[key] = [_spelt_out(part) for part in new[key]]
    if isinstance(new.get("items"), Mapping):
        new["items"] = _spelt_out(new["items"])
    return _closed(new) if new.get("properties") else new


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    properties, required = schema["properties"], set(schema.get("required", ()))
    if unknown := sorted(required - set(properties)):
        raise UsageError(f"the schema requires {', '.join(unknown)}, which it does not describe")
    parts = {name: _spelt_out(part) for name, part in properties.items()}
    parts = {name: part if name in required else _or_null(part) for name, part in parts.items()}
    open_keys = ("patternProperties", "unevaluatedProperties", "dependentRequired")
    kept = {key: value for key, value in schema.items() if key not in open_keys}
    return {**kept, "properties": parts, "required": list(parts), "additionalProperties": False}


def _or_null(schema: Any) -> Any:
    return schema if allows_null(schema) else {"anyOf": [schema, {"type": "null"}]}


# ----------------------------------------------------------------------------------------------------------- models


class SchemaResult(Result):
    """Base of the models made here.

    Fields are named by number, with the properties' names as aliases, because a property may be called anything.
    """

    model_config = ConfigDict(serialize_by_alias=True)


def model_from_schema(schema: Schema, name: str) -> type[SchemaResult]:
    """A strict model of what a schema allows, with an Arrow type for every field (`schemas.arrow`).

    Types are held to exactly; of the other keywords, ranges and lengths. Whole numbers must fit into 64 bits, and
    date-times without an offset are UTC.

    Args:
        schema: as `explicit_schema` gives it.
        name: the model's.
    """
    fields: dict[str, Any] = {
        f"f{number}": _field(part, alias, f"{name}_{number}")
        for number, (alias, part) in enumerate(schema["properties"].items())
    }
    return create_model(name, __base__=SchemaResult, **fields)


def is_json_text(schema: Any) -> bool:
    """Whether a model has JSON text for what the schema allows: no single type is all of it."""
    try:
        _type_of(schema, "Any")
    except _UntypedError:
        return True
    return False


class _UntypedError(Exception):
    """A schema allows what no single type does."""


def _field(schema: Any, alias: str, name: str) -> tuple[Any, Any]:
    kind: Any
    try:
        kind = _or_none(_type_of(schema, name), schema)
        held: tuple[Any, ...] = (Field(**_limits(schema)), AfterValidator(_storable))
    except _UntypedError:
        kind, held = _or_none(str, schema), (JSON_TEXT,)
    return Annotated[kind, *held], Field(alias=alias)


def _or_none(kind: Any, schema: Any) -> Any:
    return kind | None if allows_null(schema) else kind


def _variants(schema: Any) -> list[Schema]:
    """The alternatives that a schema consists of, other than null."""
    if not isinstance(schema, Mapping):
        raise _UntypedError
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return [variant for part in schema[key] for variant in _variants(part)]
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return [{**schema, "type": kind} for kind in kinds if kind != "null"]


def _type_of(schema: Any, name: str) -> Any:
    """The one type of all alternatives."""
    types = [_plain_type(variant, name) for variant in _variants(schema)]
    return reduce(_common, types) if types else _no_type()


def _common(one: Any, other: Any) -> Any:
    if one == other:
        return one
    return float if {one, other} == {int, float} else _no_type()


def _no_type() -> Any:
    raise _UntypedError


def _plain_type(schema: Schema, name: str) -> Any:
    if "const" in schema or "enum" in schema:
        return _type_of_values(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type") or ("object" if "properties" in schema else None)
    if kind == "object" and schema.get("properties"):
        return model_from_schema(schema, name)
    if kind == "array" and isinstance(schema.get("items"), Mapping) and "prefixItems" not in schema:
        item: Any = _or_none(_type_of(schema["items"], name), schema["items"])
        return list[item]
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), str)
    return _SCALARS.get(kind or "") or _no_type()


def _type_of_values(values: Iterable[Any]) -> Any:
    """Strings by name; of numbers just the type, for no two types agree on when numbers are the same."""
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if kinds == {str}:
        return Literal[tuple(there)]
    if kinds in ({int}, {bool}):
        return kinds.pop()
    return float if kinds and kinds <= {int, float} else _no_type()


def _limits(schema: Any) -> dict[str, Any]:
    """pydantic's names for a schema's ranges and lengths."""
    variants = _variants(schema)
    if len(variants) != 1 or "enum" in variants[0] or "const" in variants[0]:
        return {}
    (variant,) = variants
    kind = list if variant["type"] == "array" else _SCALARS.get(variant["type"] or "")
    known = {} if variant.get("format") in _FORMATS else _LIMITS.get(kind, {})
    return {ours: variant[theirs] for theirs, ours in known.items() if theirs in variant}


def _storable(value: Any) -> Any:
    """The value as Arrow holds it."""
    if isinstance(value, list):
        return [_storable(part) for part in value]
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:
            raise ValueError("the date is out of range") from None
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise ValueError("the number has more than 64 bits")
    return value


def _as_json_text(value: Any, info: ValidationInfo) -> Any:
    """A value from JSON as JSON text; from Python it is that already."""
    if info.mode != "json" or value is None:
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


JSON_TEXT = BeforeValidator(_as_json_text)
"""In the metadata of the fields that hold JSON text."""
