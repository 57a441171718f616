"""Card numbers and IBANs: what their check digits prove."""

import re
from collections.abc import Iterator

from pipeline.text.personal.context import is_reference
from pipeline.text.personal.kinds import Found, Kind

_CARD = re.compile(r"(?<!\w)(?<!\d[.,])(?=(\d\d(?:(?:[ \-.]| {2}| ?\r?\n ?)?\d){11,17}))")
"""A group of digits, and what follows; the number may end before it does."""
_CARD_BY_DIGITS = re.compile(r"(?<!\w)(?<!\d[ .,])(?=(\d(?: \d){12,18})(?!\w| \d))")
"""As somebody dictates it: here only the whole is a number, or ratings would be."""
_BRANDS = re.compile(
    r"4\d{15}(?:\d{3})?\Z|5[1-5]\d{14}\Z|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}\Z"  # Visa, Mastercard
    r"|3[47]\d{13}\Z|3(?:0[0-5]|[68]\d)\d{11}\Z"  # American Express, Diners
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}\Z|35(?:2[89]|[3-8]\d)\d{12}\Z|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}\Z"
)
"""Discover, JCB and Maestro on the last line. Source: ISO/IEC 7812 ranges as the schemes publish them."""

_GROUP_END = re.compile(r"(?<=\d)(?!\w)")

_IBAN = re.compile(r"(?i)(?<![A-Za-z0-9])(?=([A-Z]{2}\d\d(?:(?:[ \-]| {2}| ?\r?\n ?)?[A-Z0-9]){11,32})(?![A-Za-z0-9]))")
_IBAN_CHARS = range(15, 35)


def cards(text: str) -> Iterator[Found]:
    """Card numbers of the usual schemes, by prefix, length and check digit (Luhn)."""
    for match in (*_CARD.finditer(text), *_CARD_BY_DIGITS.finditer(text)):
        start = match.start()
        end = next((end for end in _ends(text, *match.span(1)) if _is_card(text[start:end])), start)
        # one number in ten has the check digit of a card
        if end > start and not (text[start:end].isdigit() and is_reference(text, start)):
            yield Found(Kind.CARD, start, end)


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where a number may end, the last place first: behind a group of digits, as a date or a code may follow."""
    for place in range(end, start, -1):
        if _GROUP_END.match(text, place):
            yield place


def _is_card(number: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", number)
    return _BRANDS.match(digits) is not None and luhn.is_valid(digits)


def ibans(text: str) -> Iterator[Found]:
    """International bank account numbers, by their country's form and check digits."""
    from stdnum import iban

    for match in _IBAN.finditer(text):
        ends = [i + 1 for i, char in enumerate(match[1]) if char.isalnum()]
        compact = "".join(char for char in match[1] if char.isalnum()).upper()
        for length in _IBAN_CHARS:
            if length <= len(compact) and _remainder(compact[:length]) == 1 and iban.is_valid(compact[:length]):
                yield Found(Kind.IBAN, match.start(), match.start() + ends[length - 1])
                break


def _remainder(compact: str) -> int:
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97
