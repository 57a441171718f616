"""Placeholders in place of personal data, and the data in place of the placeholders again.

A placeholder names the kind and the how-manieth different value of a row: `[EMAIL_1]`. So rows that differ in nothing
else are equal afterwards, and a value that occurs twice stays recognisable. Numbers that a text has placeholders of
already are left out: what is put back is always what was taken.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.text.personal.find import Finder
from pipeline.text.personal.kinds import LABELS, Kind

_KIND_OF = {label: kind for kind, label in LABELS.items()}
_PLACEHOLDER = re.compile(rf"\[({'|'.join(LABELS.values())})_(\d{{1,6}})\]")
_LIKE_ONE = re.compile(rf"(?i)\\?[\[【［(<] ?({'|'.join(LABELS.values())}) ?\\?[_ \-] ?0*(\d{{1,6}}) ?\\?[\]】］)>]")
"""What a model may make of one."""
_MIN_NAME_CHARS = 3


@dataclass(frozen=True)
class Hidden:
    """Texts without personal data.

    Attributes:
        texts: with placeholders.
        values: what each placeholder stands for.
    """

    texts: list[str]
    values: Mapping[str, str]


def hide(
    texts: Sequence[str], finder: Finder, known: Mapping[str, str] | None = None, keys: Sequence[str] = ()
) -> Hidden:
    """Replace the personal data of a row's texts, equal values by equal placeholders.

    A value that was found is replaced wherever else the texts have it, and of a name that was found each part. What
    comes out has no more that `finder` would find.

    Args:
        known: placeholders that are given already, with their values.
        keys: what each of the texts stands under, where any does.
    """
    keys = keys or [""] * len(texts)
    found = list(map(finder.find, texts, keys))
    if not known and not any(found):
        return Hidden(list(texts), {})
    row = _Row(texts, dict(known or {}))
    hidden = list(texts)
    while True:
        cut = [_outside(text, those) for text, those in zip(hidden, found, strict=True)]
        if not any(cut):
            break
        for i, spans in enumerate(cut):
            hidden[i] = row.replaced(hidden[i], spans)
        hidden = [row.swept(text) for text in hidden]
        found = list(map(finder.find, hidden, keys))
    return Hidden([row.swept(text) for text in hidden] if known else hidden, row.values)


def restore(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in place of their placeholders, also where a model has written them a bit otherwise."""
    if not values or not _LIKE_ONE.search(text):
        return text
    pieces, position = [], 0
    for match in _PLACEHOLDER.finditer(text):
        if match.group() in values:
            pieces += [_likely(text[position : match.start()], values), values[match.group()]]
            position = match.end()
    return "".join([*pieces, _likely(text[position:], values)])


def _likely(text: str, values: Mapping[str, str]) -> str:
    return _LIKE_ONE.sub(lambda m: values.get(_meant(m), m.group()), text)


def _meant(match: re.Match[str]) -> str:
    return f"[{match[1].upper()}_{int(match[2])}]"


def placeholders_in(text: str) -> list[str]:
    """The placeholders that a text has, each once, in order; also where a model has written them a bit otherwise."""
    return list(dict.fromkeys(map(_meant, _LIKE_ONE.finditer(text))))


def kind_of(placeholder: str) -> Kind:
    """What a placeholder stands for."""
    return _KIND_OF[placeholder[1:].partition("_")[0]]


class _Row:
    """The placeholders of one row."""

    def __init__(self, texts: Sequence[str], values: dict[str, str]) -> None:
        self.values = values
        self._given = {value: placeholder for placeholder, value in values.items()}
        self._taken = {(m[1].upper(), int(m[2])) for text in texts for m in _LIKE_ONE.finditer(text)}
        self._taken |= {(label, int(number)) for label, number in (p[1:-1].rsplit("_", 1) for p in values)}
        self._last: Counter[str] = Counter()

    def replaced(self, text: str, spans: Sequence[tuple[Kind, int, int]]) -> str:
        pieces, position = [], 0
        for kind, start, end in spans:
            pieces += [text[position:start], self._placeholder(kind, text[start:end])]
            position = end
        return "".join([*pieces, text[position:]])

    def swept(self, text: str) -> str:
        """Without the known values, and the parts of known names, wherever they stand."""
        for value in sorted(self._given, key=len, reverse=True):
            kind = kind_of(self._given[value])
            text = self._sweep(text, kind, value)
            for part in value.split() if kind is Kind.NAME and " " in value else ():
                if len(part) >= _MIN_NAME_CHARS and part[0].isupper() and not part.endswith("."):
                    text = self._sweep(text, kind, part)
        return text

    def _sweep(self, text: str, kind: Kind, value: str) -> str:
        if value not in text:
            return text
        pattern = rf"(?<!\w){re.escape(value)}(?!\w)" if kind is Kind.NAME else re.escape(value)
        pieces, position = [], 0
        for held in (*_PLACEHOLDER.finditer(text), None):
            between = text[position : held.start() if held else len(text)]
            pieces.append(re.sub(pattern, lambda _: self._placeholder(kind, value), between))
            if held:
                pieces.append(held.group())
                position = held.end()
        return "".join(pieces)

    def _placeholder(self, kind: Kind, value: str) -> str:
        if value not in self._given:
            label = LABELS[kind]
            number = self._last[label] + 1
            while (label, number) in self._taken:
                number += 1
            self._last[label] = number
            self._given[value] = placeholder = f"[{label}_{number}]"
            self.values[placeholder] = value
        return self._given[value]


def _outside(text: str, found: Sequence[tuple[Kind, int, int]]) -> list[tuple[Kind, int, int]]:
    """Those that touch no placeholder."""
    if not found:
        return []
    held = [match.span() for match in _PLACEHOLDER.finditer(text)]
    return [one for one in found if all(one[2] <= start or one[1] >= end for start, end in held)]
