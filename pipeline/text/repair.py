"""Put right what a model spoils in a translation, where there is no doubt how it should be."""

import re

from pipeline.text.spans import Kind, invented, lost

_KINDS = (Kind.PLACEHOLDER, Kind.TAG, Kind.URL, Kind.EMAIL, Kind.CODE)
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "‘": "’"}


def put_right(source: str, output: str) -> str:
    """The answer as one line, without quotation marks that the source does not have, its spans as in the source.

    A span is put back where as many of a kind are missing as are new: `{nombre}` for `{name}` becomes `{name}` again,
    in their order. Numbers and emoji are left alone: there a difference may be a mistake of meaning.
    """
    text = _unquoted(source, " ".join(output.split()))
    for kind in _KINDS:
        missing, new = lost(source, text, {kind}), invented(source, text, {kind})
        if missing and len(missing) == len(new):
            text = _replaced(text, new, missing)
    return text


def _unquoted(source: str, text: str) -> str:
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and source[:1] not in _QUOTES:
        return text[1:-1].strip()
    return text


def _replaced(text: str, old: list[str], new: list[str]) -> str:
    """Each of `old` in turn, where it first occurs behind the one before, by the one of `new` that stands opposite."""
    found = [(match.start(), value) for value in dict.fromkeys(old) for match in re.finditer(re.escape(value), text)]
    pieces, end, remaining, wanted = [], 0, list(old), iter(new)
    for start, value in sorted(found):
        if start >= end and value in remaining:
            remaining.remove(value)
            pieces += [text[end:start], next(wanted)]
            end = start + len(value)
    return "".join([*pieces, text[end:]])
