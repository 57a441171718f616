"""Values of gold as the JSON that an answer holds: files have floats for whole numbers, timestamps, text for all."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from jobs.json_schemas import alternatives
from pipeline.json_models import is_json_text, schema_validator

_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
_EXACT = 2**53
"""Below it a float is a whole number without doubt."""


def as_answered(value: Any, schema: Any) -> Any:
    """The value as JSON that the schema allows, where it can be that; else as it is, for a validator to refuse.

    Args:
        schema: as `explicit_schema` gives it.
    """
    value = plain(value)
    if value is None:
        return None
    if isinstance(value, str) and is_json_text(schema):
        return _loaded(value)
    for one in alternatives(schema):
        if isinstance(one, Mapping) and schema_validator(one).is_valid(found := _as_one(value, one)):
            return found
    return value


def _as_one(value: Any, schema: Mapping[str, Any]) -> Any:
    """As one that is no union."""
    if "enum" in schema or "const" in schema:
        known = schema.get("enum", [schema.get("const")])
        return next((one for one in known if one == value or (isinstance(value, str) and _text(one) == value)), value)
    if isinstance(value, datetime | date):
        return _moment(value, schema.get("format"))
    kind = schema.get("type") or ("object" if "properties" in schema else None)
    if isinstance(value, str) and kind != "string":
        value = _number(value) if kind in ("integer", "number") else _loaded(value)
    if kind == "object" and isinstance(value, dict) and schema.get("properties"):
        parts = schema["properties"]
        more = {name: part for name, part in value.items() if name not in parts and part is not None}
        return {**{name: as_answered(value.get(name), part) for name, part in parts.items()}, **more}
    if kind == "array" and isinstance(value, list):
        return [as_answered(item, schema.get("items", {})) for item in value]
    return value


def plain(value: Any) -> Any:
    """Without what JSON does not have or writes otherwise: decimals, NaN, bytes, floats that are whole numbers."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, time):
        return value.isoformat()
    return value


def _number(text: str) -> Any:
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text.partition(".")[0])
    try:
        return plain(float(text))
    except ValueError:
        return text


def _loaded(text: str) -> Any:
    """What the text is the JSON of, however a spreadsheet writes true; any other text is itself."""
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except (ValueError, RecursionError):
        return text


def _moment(value: date, form: str | None) -> str:
    """A day where a day is asked for and the time says nothing; times in UTC."""
    if not isinstance(value, datetime):
        return value.isoformat()
    if form == "date" and value.time() == time():
        return value.date().isoformat()
    moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
