"""Phone numbers: a candidate by its form, a number by the plans of the regions (phonenumbers)."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from pipeline.text.personal.context import before, is_reference
from pipeline.text.personal.kinds import Found, Kind

DEFAULT_REGIONS = ("US", "GB", "ES", "DE", "FR", "IT", "PT", "BR", "MX", "NL", "BE", "AT", "CH", "IE")
"""Whose national numbers are known unless others are named."""

_GROUPS = r"\(?\d(?:[ ().\-/]{0,3}\d){6,15}(?!\w)"
_PHONE = re.compile(rf"(?<![\w#])(?<!\d[\-/:.,])(?:(?:\+|00){_GROUPS}|{_GROUPS}(?![.,\-:/]\d)(?! ?(?:€|EUR|USD|%)))")
_GROUP_END = re.compile(r"(?<=[\d)])(?=[ (.\-/])")
_CUE = re.compile(
    r"(?i)(?<!\w)(?:(?:tele)?phone|call|ring|text|t[eé]l|telefon|mobile|mobil|cell|whatsapp|móvil|movil|llám|llam|appel"
    r"|portable|handy|cellulare|telemóvel|celular|telefone|ligu?e|ruf|erreich|reach|contact|kontakt|contatt|joign"
    r"|joindre|chiam|contáct|escríb|escrib|sms|fax|rappel|zurückruf|rückruf|my number|mi número|mon numéro"
    r"|meine nummer|mio numero|meu número)"
)
_NO_PHONE = re.compile(
    r"(?:19|20)\d\d([\-./ ])\d{1,2}\1\d{1,2}(?!\d)"
    r"|\d{1,2}[\-./ ]\d{1,2}[\-./ ](?:19|20)\d\d(?!\d)"
    r"|(?:0?[1-9]|[12]\d|3[01])([\-./])(?:0?[1-9]|1[0-2])\2\d\d(?![\d\-./])"
    r"|(?:19|20)\d\d ?[\-/] ?(?:19|20)\d\d\Z|\d{1,2}\.\d\d ?- ?\d{1,2}\.\d\d\Z"
    r"|[1-9]\d{0,2}([. ])\d{3}(?:\3\d{3})+\Z|\d+(?:\.\d{1,3}){3}\Z|\d{1,3}\.\d{3,}\Z|97[89][\- ]\d"
)
"""Dates, spans of years and of times, thousands, versions, decimals, ISBNs."""

_MOBILE = re.compile(r"0[67]\d{8}\Z|07\d{9}\Z|01[567]\d{8,9}\Z")
"""Bare, yet hardly anything but a mobile number: of France, Britain, Germany."""
_THREE_BY_THREE = re.compile(r"[6-9]\d\d \d{3} \d{3}\Z")
"""As Spain and Portugal write numbers, and few write hundreds of millions."""
_FORM = re.compile(r"\(?0|\(?\d{3}\)?[ \-]\d{3}-\d{4}\Z|[6-9]\d\d \d{3} \d{3}\Z|[69]\d\d(?: \d\d){3}\Z")
"""As numbers are written that other digits follow and nothing announces: elsewhere most such digits count things."""
_BY_PAIRS = re.compile(r"0[1-9](?: \d\d){4}\Z")
"""As France does; with the beginning of the next number it would be one of Germany."""
_DIGITS = range(7, 16)


def phones(text: str, regions: Sequence[str], own: bool) -> Iterator[Found]:
    """Phone numbers.

    With "+" or "00" those that some country has; else those of the regions, if separators or a word such as "call"
    make them phone numbers.

    Args:
        regions: ISO 3166 codes.
        own: the regions were named for this data: a bare number of theirs counts without such a word.
    """
    position = 0
    while match := _PHONE.search(text, position):
        value = _balanced(match.group())
        start = match.start() + match.group().index(value)
        context = _Context(is_reference(text, start), _CUE.search(before(text, start)) is not None, regions, own)
        number = next(filter(context.has, _candidates(value, context)), "")
        if number:
            yield Found(Kind.PHONE, start, start + len(number))
        position = start + len(number) if number else match.end()


def _balanced(value: str) -> str:
    """A candidate without a parenthesis that is not closed."""
    while value.endswith("(") or (value.count("(") != value.count(")") and value.startswith("(")):
        value = value[1:] if value.startswith("(") else value[:-1]
    return value


def _candidates(value: str, context: "_Context") -> Iterator[str]:
    """What may be the number: all of it, or less."""
    yield value
    if context.is_cued or value.startswith("+"):
        yield from _shorter(value, context.regions)
    elif not _NO_PHONE.match(value):
        yield from filter(_FORM.match, _shorter(value, context.regions))


def _shorter(value: str, regions: Sequence[str]) -> list[str]:
    """What is left of a candidate without its last groups, as other digits may follow a number.

    Numbers that have a country's form first, then those of its plan, then by length. Without "+" only a space ends one:
    parts have numbers, too.
    """
    ends = [m.start() for m in _GROUP_END.finditer(value) if value[0] == "+" or value[m.start()] == " "]
    shorter = [value[:end] for end in reversed(ends) if value.count("(", 0, end) == value.count(")", 0, end)]
    return sorted(shorter, key=lambda number: (not _BY_PAIRS.match(number), not _is_known(number, regions)))


def _is_known(value: str, regions: Sequence[str]) -> bool:
    digits = re.sub(r"\D", "", value)
    if value.startswith("+"):
        return _is_valid(value, None)
    return any(_is_national(value, digits, region) for region in regions)


class _Context(NamedTuple):
    """What decides whether digits are a phone number.

    Attributes:
        is_reference: they are called an order or the like.
        is_cued: something like "call" is said before them.
        regions, own: as `phones` has them.
    """

    is_reference: bool
    is_cued: bool
    regions: Sequence[str]
    own: bool

    def has(self, value: str) -> bool:
        """Whether this is a phone number."""
        digits = re.sub(r"\D", "", value)
        if len(digits) not in _DIGITS or len(set(digits)) < 2:
            return False
        if value.startswith("+"):
            return _is_possible(value)
        if self.is_reference or (_NO_PHONE.match(value) and not _THREE_BY_THREE.match(value)):
            return False
        if value.startswith("00") and _is_valid("+" + digits[2:], None):
            return True
        if self.is_cued:
            return value[0] in "0(" or len(digits) > 7 or not value.isdigit()
        if value.isdigit() and not self.own:
            return _MOBILE.match(digits) is not None and any(_is_valid(digits, region) for region in self.regions)
        return any(_is_national(value, digits, region) for region in self.regions)


def _is_national(value: str, digits: str, region: str) -> bool:
    """Written as people of the region do: with the 0 before it where there is one, not with too many separators."""
    if _trunk(region) and not digits.startswith("0"):
        return False
    return len(re.findall(r"\D+", value.strip("()"))) < 6 and _is_valid(digits, region)


@lru_cache(maxsize=256)
def _trunk(region: str) -> bool:
    import phonenumbers

    return bool(phonenumbers.ndd_prefix_for_region(region, True) == "0")


@lru_cache(maxsize=4096)
def _is_valid(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(
        phonenumbers.is_valid_number(parsed)
        if region is None
        else phonenumbers.is_valid_number_for_region(parsed, region)
    )


@lru_cache(maxsize=4096)
def _is_possible(number: str) -> bool:
    """With a country's code, its length is enough: numbers that are reserved for examples are none that is valid."""
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(number, None)))
    except phonenumbers.NumberParseException:
        return False
