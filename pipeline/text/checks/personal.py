"""Personal data: what of a customer's message must not be said back."""

import re
from collections.abc import Iterable

from pipeline.text.checks.verdict import quote, verdict
from pipeline.text.personal import Kind as Hidden
from pipeline.text.personal import kind_of, placeholders_in
from pipeline.text.spans import Kind, find_spans
from pipeline.text.words import folded
from schemas.results import Check

_PHONE = re.compile(r"(?<![\w#+])\+?\(?\d(?:[ ().\-/\u00a0]{0,2}\d){6,24}(?!\w)")
_PHONE_WORD = re.compile(
    r"(?i)(?<!\w)(?:phone|call|t[eé]l|mobile|cell|whatsapp|móvil|movil|llam|appel|portable|handy|cellulare"
    r"|(?:my|mi|mon|meine|il mio|meu|mijn) n[uú]m)"
)
_REFERENCE = re.compile(
    r"(?i)(?:order|pedido|commande|bestell|ordine|encomenda|invoice|factura|facture|rechnung|fattura|ref|ticket"
    r"|orden|bestel|tracking|suivi|seguimiento|sendung|spedizione|zending|kundennummer|klantnummer|case|serial|sku|isbn"
    r"|imei)\w*(?:[ .]{1,2}(?:number|no|nr|núm|num|n[º°]?|id|is|es|est|ist)){0,3}\W{0,4}\Z"
)
_NO_PHONE = re.compile(
    r"(?:19|20)\d\d([\-./ ])\d{1,2}\1\d{1,2}(?!\d)"  # dates
    r"|\d{1,2}[\-./]\d{1,2}[\-./]\d{4}(?!\d)|(?:0?[1-9]|[12]\d|3[01])([\-./])(?:0?[1-9]|1[0-2])\2\d\d(?![\d\-./])"
    r"|(?:19|20)\d\d[\-/](?:19|20)\d\d\Z|\d{1,2}\.\d\d ?- ?\d{1,2}\.\d\d\Z"  # from one year or time to another
    r"|[1-9]\d?([. ])\d{3}(?:\3\d{3})+\Z"  # thousands
    r"|\d+(?:\.\d+)*\.\d(?:\.\d+)*+\Z"  # versions and addresses of computers
)
"""What has the separators and digits of a phone number and is none."""

_IBAN = re.compile(r"(?ai)(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
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
_PRIVATE = {Hidden.EMAIL, Hidden.PHONE, Hidden.CARD, Hidden.IBAN, Hidden.NATIONAL_ID}
_TAIL_DIGITS = 9
_MIN_CARD_DIGITS = 13
_MAX_CARD_DIGITS = 19


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
    repeated += [p for p in placeholders_in(message) if kind_of(p) in _PRIVATE and p in placeholders]
    problem = f"do not repeat the customer's {quote(list(dict.fromkeys(repeated)), mark='')}" if repeated else ""
    return verdict("personal_data", problem)


def _personal_data(message: str) -> Iterable[tuple[str, str, str]]:
    """Kind, value, and what of the value to look for."""
    for span in find_spans(message, {Kind.EMAIL}):
        yield "e-mail address", span.value, span.value.casefold()
    for match in _IBAN.finditer(message):
        if _is_iban(compact := _compact(match.group())):
            yield "account number", match.group(), compact
    for match in _PHONE.finditer(message):
        digits = _digits(match.group())
        if _MIN_CARD_DIGITS <= len(digits) <= _MAX_CARD_DIGITS and _is_card(digits):
            if match.group().isdigit() and _REFERENCE.search(_before(match, message)):
                continue  # one number in ten has the check digit of a card
            yield "card number", match.group(), digits
        elif _is_phone(match, message):
            yield "phone number", match.group(), digits[-_TAIL_DIGITS:]
    for match in _ADDRESS.finditer(message):
        yield "address", match.group(), _compact(match.group())


def _is_phone(match: re.Match[str], message: str) -> bool:
    value, before = match.group(), _before(match, message)
    if len(_digits(value)) > 15 or _NO_PHONE.match(value) or _REFERENCE.search(before):
        return False
    return not value.isdigit() or _PHONE_WORD.search(before) is not None


def _before(match: re.Match[str], message: str) -> str:
    return message[max(0, match.start() - 30) : match.start()]


def _is_card(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _is_iban(compact: str) -> bool:
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


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
