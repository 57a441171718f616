"""The texts inside of a column's values, at any depth of lists, structs and JSON: taken out, and put back changed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.columns import as_binary, is_text
from pipeline.elements import Undecodable

_LONG_NUMBER_CHARS = 7
_MAX_DIGITS = 4000
_MAX_DEPTH = 100


@dataclass(frozen=True)
class _Json:
    """The content of a text that is JSON: in its source a value may stand in escapes, where nobody finds it."""

    content: Any


class _Object(list[tuple[str, Any]]):
    """Names and values of a JSON object."""


class _Number(str):
    """A JSON number that is long enough to be somebody's."""

    __slots__ = ()


def plain_values(batch: pa.RecordBatch, column: str) -> list[Any]:
    """A column as Python values: texts as bytes, missing columns as nulls, anything else as pyarrow has it.

    A nested value with a text that is not UTF-8 is `Undecodable`.
    """
    if column not in batch.schema.names:
        return [None] * batch.num_rows
    array = batch.column(column)
    if is_text(array.type):
        return list(as_binary(array).to_pylist())
    try:
        return list(array.to_pylist())
    except UnicodeDecodeError:
        return [_plain_value(array[i]) for i in range(len(array))]


def _plain_value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return Undecodable(f"{error.reason} at byte {error.start}")


def as_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values as `plain_values` gives them, as a column again, of any type it can read; `Undecodable` becomes null.

    Texts need not be UTF-8: what was not stays so.
    """
    if not is_text(kind):
        return pa.array([None if isinstance(value, Undecodable) else value for value in values], kind)
    array = pa.array(values, pa.large_binary())
    content = kind.value_type if pa.types.is_dictionary(kind) else kind
    if any(check(content) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
        array = pa.Array.from_buffers(
            pa.large_string(), len(array), array.buffers()
        )  # a cast would refuse broken UTF-8
    if pa.types.is_dictionary(kind):
        array = array.dictionary_encode()
    return array if array.type == kind else array.cast(kind)


def opened(value: Any) -> Any:
    """A value whose texts can be taken out: bytes as text, JSON as what it says where that can be put back."""
    match value:
        case dict():
            return {name: opened(part) for name, part in value.items()}
        case list():
            return [opened(part) for part in value]
        case tuple():
            return tuple(map(opened, value))
        case str() | bytes():
            text = value if isinstance(value, str) else value.decode(errors="surrogateescape")
            return _json(text) if text.lstrip()[:1] in ("[", "{") else text
    return value


def _json(text: str) -> str | _Json:
    try:
        text.encode()  # bytes that are not UTF-8 have no place in JSON
        content = json.loads(text, object_pairs_hook=_Object, parse_int=_number)
    except (ValueError, RecursionError):
        return text
    return _Json(content) if _can_be_put_back(content, _MAX_DEPTH) else text


def _can_be_put_back(content: Any, depth: int) -> bool:
    """Whether JSON is not nested too deeply to be walked, has no number that Python refuses and no name twice."""
    match content:
        case _Number():
            return len(content) < _MAX_DIGITS
        case _Object():
            parts = [part for _, part in content]
            if len(dict(content)) < len(parts):
                return False
        case list():
            parts = content
        case _:
            return True
    return depth > 0 and all(_can_be_put_back(part, depth - 1) for part in parts)


def closed(value: Any, like: Any) -> Any:
    """The reverse of `opened`; what has not changed is the same to the byte.

    Args:
        like: what was opened.
    """
    match like:
        case dict():
            return {name: closed(value[name], part) for name, part in like.items()}
        case list() | tuple():
            return type(like)(closed(one, part) for one, part in zip(value, like, strict=True))
        case str() | bytes() if value != opened(like):
            text = _dumped(value.content) if isinstance(value, _Json) else value
            return text if isinstance(like, str) else text.encode(errors="surrogateescape")
    return like


def _dumped(content: Any) -> str:
    plain = _plain_json(content)
    text = json.dumps(plain, ensure_ascii=False)
    # half a character can only be held by an escape
    return json.dumps(plain) if any("\ud800" <= char <= "\udfff" for char in text) else text


def texts_of(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The texts in a value, in order, each behind the key that it stands under; keys and long numbers of JSON, too."""
    match value:
        case str():
            yield key, value
        case _Json(content=content):
            yield from texts_of(content, key)
        case _Object():
            for name, part in value:
                yield key, name
                yield from texts_of(part, name)
        case dict():
            for name, part in value.items():
                yield from texts_of(part, name)
        case list() | tuple():
            for part in value:
                yield from texts_of(part, key)


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each of its texts changed, in the same order."""
    match value:
        case str():
            new = change(value)
            return value if new == value else new
        case _Json(content=content):
            return _Json(map_texts(content, change))
        case dict():
            return {name: map_texts(part, change) for name, part in value.items()}
        case list():
            return type(value)(map_texts(part, change) for part in value)
        case tuple():
            return tuple(map_texts(part, change) for part in value)
    return value


def _number(digits: str) -> Any:
    return _Number(digits) if len(digits) >= _LONG_NUMBER_CHARS else int(digits)


def _plain_json(value: Any) -> Any:
    match value:
        case _Number():
            return int(value)
        case _Object():
            return {name: _plain_json(part) for name, part in value}
        case list():
            return [_plain_json(part) for part in value]
    return value
