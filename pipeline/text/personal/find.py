"""All personal data of a text: the recognisers, each asked only where its marks occur, and who wins an overlap."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pipeline.text.personal.accounts import cards, ibans
from pipeline.text.personal.contacts import emails, ip_addresses, secret_urls
from pipeline.text.personal.kinds import ALL_KINDS, Found, Kind
from pipeline.text.personal.names import names
from pipeline.text.personal.national_ids import national_ids
from pipeline.text.personal.phones import DEFAULT_REGIONS, phones
from pipeline.text.personal.spelling import spelt

_MANY_DIGITS = re.compile(r"\d(?:[^\d\n]{0,3}\d){5}")

_FIELD_CHARS = 60
"""A longer value is prose, which says itself what its numbers are."""
_KEY_CHARS = 40
_BETWEEN_WORDS = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|[\W_]+")
_NO_CUES = {"", "text"}
"""As keys; said to somebody it is "text me on ..."."""


@dataclass(frozen=True)
class Finder:
    """Finds personal data.

    Attributes:
        kinds: which.
        regions: whose phone numbers are known without "+"; empty: those of fourteen countries.
    """

    kinds: tuple[Kind, ...] = ALL_KINDS
    regions: tuple[str, ...] = ()

    def find(self, text: str, key: str = "") -> list[Found]:
        """What there is, in the order of the text, never overlapping: of two that overlap the first of `Kind` wins.

        Args:
            key: what the text stands under: it may be what makes digits a phone number.
        """
        found = self._read(text)
        if said := _said(key) if key and len(text) <= _FIELD_CHARS else "":
            shifted = (Found(f.kind, f.start - len(said), f.end - len(said)) for f in self._read(said + text))
            found += [one for one in shifted if one.start >= 0]
        if not found:
            return found
        kept: list[Found] = []
        for one in sorted(found, key=lambda f: (_RANK[f.kind], f.start, -f.end)):
            place = bisect_left(kept, one.start, key=lambda other: other.start)
            before, behind = kept[place - 1 : place], kept[place : place + 1]
            free = all(o.end <= one.start for o in before) and all(one.end <= o.start for o in behind)
            if free:
                kept.insert(place, one)
        return kept

    def _read(self, text: str) -> list[Found]:
        """What each recogniser finds."""
        usual = spelt(text)
        return [
            Found(one.kind, *usual.span(one.start, one.end))
            for recognise in self._asked(usual.text)
            for one in recognise(usual.text)
        ]

    def _asked(self, text: str) -> Iterator[Callable[[str], Iterable[Found]]]:
        """The recognisers of the kinds whose marks the text has; most texts have none but words."""
        many_digits = _MANY_DIGITS.search(text) is not None
        asked: tuple[tuple[Kind, bool, Callable[[str], Iterable[Found]]], ...] = (
            (Kind.URL, "://" in text or "www." in text or "WWW." in text, secret_urls),
            (Kind.EMAIL, "@" in text or "(" in text or "[" in text, emails),
            (Kind.IP, text.count(".") > 2 or text.count(":") > 1, ip_addresses),
            (Kind.IBAN, many_digits, ibans),
            (Kind.CARD, many_digits, cards),
            (Kind.NATIONAL_ID, many_digits, national_ids),
            (Kind.PHONE, many_digits, self._phones),
            (Kind.NAME, True, names),
        )
        return (recognise for kind, has_marks, recognise in asked if has_marks and kind in self.kinds)

    def _phones(self, text: str) -> Iterator[Found]:
        return phones(text, self.regions or DEFAULT_REGIONS, own=bool(self.regions))


def _said(key: str) -> str:
    """A key as somebody says it before its value: "phone number: " of `phone_number` and `phoneNumber`."""
    words = _BETWEEN_WORDS.sub(" ", key[-_KEY_CHARS:]).strip()
    return "" if words.lower() in _NO_CUES else f"{words}: "


_RANK = {kind: rank for rank, kind in enumerate(ALL_KINDS)}
