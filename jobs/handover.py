"""Handover: whether a person must take over, and why, by the model's choice or by the customer's words."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from jobs.reply_data import Reason, reply_data
from pipeline.answers import choice_probabilities
from pipeline.decoding import Choice
from pipeline.elements import Completion

_ANSWERS = ("yes", "no")


@cache
def handover_decoding() -> Choice:
    """Yes or no."""
    return Choice(_ANSWERS, _ANSWERS)


def handover_probability(completion: Completion) -> float:
    """The probability of yes.

    Raises:
        RowError: if the engine gave no probabilities.
    """
    return choice_probabilities(completion, _ANSWERS)["yes"]


@cache
def reason_decoding() -> Choice:
    """One of the reasons that the model can name."""
    names = tuple(reply_data().reasons)
    return Choice(names, names)


def likeliest_reason(completion: Completion) -> Reason:
    """The reason that the model finds likeliest.

    Raises:
        RowError: if the engine gave no probabilities.
    """
    reasons = reply_data().reasons
    p = choice_probabilities(completion, tuple(reasons))
    return max(reasons, key=lambda name: p[name])


def sign_of(said: Sequence[str]) -> Reason | None:
    """The gravest reason that a customer's words give away."""
    text = "\n".join(said).casefold()
    return next((reason for reason, pattern in _patterns().items() if pattern.search(text)), None)


@cache
def _patterns() -> Mapping[Reason, re.Pattern[str]]:
    """For each reason, its signs in all languages as one expression, the gravest reason first."""
    return {
        reason: re.compile(rf"(?<!\w)(?:{'|'.join(sign for signs in by_language.values() for sign in signs)})(?!\w)")
        for reason, by_language in reply_data().signs.items()
    }
