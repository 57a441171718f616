"""All personal data of a text: the recognisers, each asked only where its marks occur, and who wins an overlap."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.text.personal.accounts import cards, ibans
from pipeline.text.personal.contacts import emails, ip_addresses, secret_urls
from pipeline.text.personal.kinds import ALL_KINDS, Found, Kind
from pipeline.text.personal.names import names
from pipeline.text.personal.national_ids import national_ids
from pipeline.text.personal.phones import DEFAULT_REGIONS, phones

_MANY_DIGITS = re.compile(r"\d(?:[^\d\n]{0,3}\d){5}")
_URL_MARK, _V6_MARK = ("://", "www."), re.compile(r"(?i)[0-9a-f]{0,4}:[0-9a-f]{0,4}:")


@dataclass(frozen=True)
class Finder:
    """Finds personal data.

    Attributes:
        kinds: which.
        regions: whose phone numbers are known without "+"; empty: those of fourteen countries.
    """

    kinds: tuple[Kind, ...] = ALL_KINDS
    regions: tuple[str, ...] = ()

    def find(self, text: str) -> list[Found]:
        """What there is, in the order of the text, never overlapping: of two that overlap the first of `Kind` wins."""
        kept: list[Found] = []
        for kind in ALL_KINDS:
            if kind in self.kinds:
                for found in sorted(_RECOGNISERS[kind](text, self.regions), key=lambda f: (f.start, -f.end)):
                    if all(found.end <= other.start or found.start >= other.end for other in kept):
                        kept.append(found)
        return sorted(kept, key=lambda found: found.start)


def _in_urls(text: str, _: Sequence[str]) -> Iterator[Found]:
    if any(mark in text for mark in _URL_MARK) or "WWW." in text:
        yield from secret_urls(text)


def _emails(text: str, _: Sequence[str]) -> Iterator[Found]:
    if "@" in text or "(" in text or "[" in text:
        yield from emails(text)


def _ips(text: str, _: Sequence[str]) -> Iterator[Found]:
    if text.count(".") > 2 or _V6_MARK.search(text):
        yield from ip_addresses(text)


def _phones(text: str, regions: Sequence[str]) -> Iterator[Found]:
    if _MANY_DIGITS.search(text):
        yield from phones(text, regions or DEFAULT_REGIONS, own=bool(regions))


def _with_digits(recogniser: Callable[[str], Iterator[Found]]) -> Callable[[str, Sequence[str]], Iterator[Found]]:
    def find(text: str, _: Sequence[str]) -> Iterator[Found]:
        if _MANY_DIGITS.search(text):
            yield from recogniser(text)

    return find


def _names(text: str, _: Sequence[str]) -> Iterator[Found]:
    yield from names(text)


_RECOGNISERS: dict[Kind, Callable[[str, Sequence[str]], Iterator[Found]]] = {
    Kind.URL: _in_urls,
    Kind.EMAIL: _emails,
    Kind.IBAN: _with_digits(ibans),
    Kind.CARD: _with_digits(cards),
    Kind.NATIONAL_ID: _with_digits(national_ids),
    Kind.IP: _ips,
    Kind.PHONE: _phones,
    Kind.NAME: _names,
}
