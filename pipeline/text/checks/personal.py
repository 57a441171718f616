"""Personal data: what of a customer's message must not be said back."""

import re
from collections.abc import Iterable

from pipeline.text.checks.verdict import quote, verdict
from pipeline.text.personal import Finder, Kind, kind_of, placeholders_in
from pipeline.text.words import folded
from schemas.results import Check

_STREET_WORDS = r"(?:[\w'’.\-]{1,30} )"
_ADDRESS = re.compile(
    r"(?i)(?<!\w)(?:"
    rf"\d{{1,5}}[a-z]? {_STREET_WORDS}{{1,4}}(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct)"
    rf"|\d{{1,5}}(?: bis)?,? (?:rue|avenue|boulevard|place|chemin|allée) {_STREET_WORDS}{{0,4}}[\w'’.\-]{{2,30}}"
    rf"|(?:calle|c/|avenida|plaza|paseo|via|viale|piazza|corso|rua|travessa) {_STREET_WORDS}{{0,4}}"
    r"[\w'’.\-]{2,30},? (?:n[.º°o]{0,2} ?)?\d{1,5}"
    r"|[^\W\d_]{2,30}(?:straße|strasse|str\.|weg|platz|allee|gasse|straat|laan|plein) \d{1,5}[a-z]?"
    r")(?!\w)"
)
_TAIL_DIGITS = 9
_CALLED = {
    Kind.EMAIL: "e-mail address",
    Kind.PHONE: "phone number",
    Kind.CARD: "card number",
    Kind.IBAN: "account number",
    Kind.NATIONAL_ID: "national id",
}
_FINDER = Finder(tuple(_CALLED))


def no_personal_data(output: str, message: str, context: str = "") -> Check:
    """Fails when the answer repeats the customer's e-mail, phone, card or account number or street address.

    However it is written: "+34 612 345 678" repeats "612345678". What `context` has too may be repeated, and so may
    order numbers. A phone number is seen by its separators, a leading "+" or a word such as "call" before it; a card
    number and an IBAN by their check digits; an address by the word for a street, in seven languages.

    A placeholder that stands for such a value is as good as the value. The detail shows no more of the values than
    their ends.
    """
    said, known = _searchable(output), _searchable(context)
    repeated = [
        f"{kind} {_masked(value)}"
        for kind, value, key in _personal_data(message)
        if any(key in form for form in said) and not any(key in form for form in known)
    ]
    placeholders = set(placeholders_in(output)) - set(placeholders_in(context))
    repeated += [p for p in placeholders_in(message) if kind_of(p) in _CALLED and p in placeholders]
    problem = f"do not repeat the customer's {quote(list(dict.fromkeys(repeated)), mark='')}" if repeated else ""
    return verdict("personal_data", problem)


def _personal_data(message: str) -> Iterable[tuple[str, str, str]]:
    """Kind, value, and what of the value to look for."""
    for kind, start, end in _FINDER.find(message):
        value = message[start:end]
        if kind is Kind.EMAIL:
            key = value.casefold()
        elif kind is Kind.PHONE:
            key = _digits(value)[-_TAIL_DIGITS:]
        else:
            key = _compact(value)
        yield _CALLED[kind], value, key
    for match in _ADDRESS.finditer(message):
        yield "address", match.group(), _compact(match.group())


def _searchable(text: str) -> tuple[str, ...]:
    """The text as written, its digits, and its letters and digits, without what separates them."""
    digits = "\n".join(_digits(match.group()) for match in re.finditer(r"\d(?:[ ().\-/\u00a0]{0,2}\d)*+", text))
    return folded(text), digits, _compact(text)


def _digits(text: str) -> str:
    return "".join(str(int(char)) for char in text if char.isdecimal())


def _compact(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _masked(value: str) -> str:
    value = value.strip()
    return f"{value[:2]}…{value[-2:]}"
