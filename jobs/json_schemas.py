"""JSON schemas of what to extract: read from a file or a pydantic class, and told to a model in words."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, PydanticUserError

from jobs.tasks import load_module
from pipeline.errors import UsageError
from pipeline.json_models import Schema

_WORDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "object", None: "JSON"}


def read_schema(reference: str | None) -> Schema:
    """The schema in a JSON file, or of a pydantic class (`FILE.py:CLASS`).

    Raises:
        UsageError: if there is none.
    """
    if reference is None:
        raise UsageError(
            "extract needs a schema", "--schema FILE.json (jobs/data/order.schema.json is one), or FILE.py:CLASS"
        )
    file, _, name = reference.partition(":")
    if file.endswith(".py"):
        return _class_schema(Path(file).expanduser(), name)
    try:
        schema = json.loads(Path(reference).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the schema {reference}: {error}") from None
    if not isinstance(schema, dict):
        raise UsageError(f"the schema {reference} is not a JSON object")
    return schema


def _class_schema(file: Path, name: str) -> Schema:
    if not file.is_file():
        raise UsageError(f"no file {file}")
    model = getattr(load_module(file), name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise UsageError(f"{file} has no pydantic class {name or 'named'}", "name it as FILE.py:CLASS")
    try:
        return model.model_json_schema()
    except PydanticUserError as error:
        raise UsageError(f"{name} in {file} has no JSON schema: {' '.join(str(error).split())[:200]}") from None


def describe_fields(schema: Schema, indent: str = "") -> Iterator[str]:
    """A schema's properties in lines that a person, or a model, can read."""
    for name, part in schema["properties"].items():
        inner = _inner_object(part)
        about = "; ".join(filter(None, (_kind(part), one_line(_first(part, "description")))))
        yield f"{indent}- {name}: {about}"
        if inner is not None:
            yield from describe_fields(inner, f"{indent}  ")


def _kind(schema: Any) -> str:
    """What a value is, in words."""
    parts = alternatives(schema)
    return " or ".join(dict.fromkeys(_plain_kind(part) for part in parts))


def _plain_kind(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return "JSON"
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
    kind = schema.get("type") or ("object" if "properties" in schema else None)
    if kind == "array":
        return f"list of: {_kind(schema.get('items', {}))}"
    if kind == "string" and schema.get("format") in ("date", "date-time"):
        return {"date": "date as YYYY-MM-DD", "date-time": "time as YYYY-MM-DDThh:mm:ssZ"}[schema["format"]]
    return _WORDS.get(kind, str(kind))


def alternatives(schema: Any) -> list[Any]:
    """The schemas of which one has to hold, the types of a list of types included."""
    if not isinstance(schema, Mapping):
        return [schema]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return [part for one in schema[key] for part in alternatives(one)]
    if isinstance(schema.get("type"), list) and "enum" not in schema:
        return [{**schema, "type": kind} for kind in schema["type"]]
    return [schema]


def _inner_object(schema: Any) -> Schema | None:
    """The one object that a property, or each item of its list, is; None if there is none or several."""
    objects = []
    for part in alternatives(schema):
        if isinstance(part, Mapping) and part.get("properties"):
            objects.append(part)
        elif isinstance(part, Mapping) and isinstance(part.get("items"), Mapping):
            objects += [inner] if (inner := _inner_object(part["items"])) is not None else []
    return objects[0] if len(objects) == 1 else None


def _first(schema: Any, key: str) -> Any:
    """A key's value in the schema, or in the first of its alternatives that has it."""
    parts = [part for part in (schema, *alternatives(schema)) if isinstance(part, Mapping)]
    return next((part[key] for part in parts if part.get(key)), None)


def one_line(text: Any) -> str:
    """A description on one line; empty without one."""
    return " ".join(str(text or "").split())
