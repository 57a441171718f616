"""The kinds of personal data, and what a recogniser finds."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a piece of personal data is; of two that overlap, the kind that is listed first wins."""

    URL = "url"
    EMAIL = "email"
    IBAN = "iban"
    CARD = "card"
    NATIONAL_ID = "national_id"
    IP = "ip"
    PHONE = "phone"
    NAME = "name"


ALL_KINDS = tuple(Kind)

LABELS = {kind: "ID" if kind is Kind.NATIONAL_ID else kind.value.upper() for kind in Kind}
"""What a placeholder calls it."""


class Found(NamedTuple):
    """A stretch of a text."""

    kind: Kind
    start: int
    end: int
