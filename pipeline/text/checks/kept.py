"""What of a source must be in its translation as it is: placeholders, URLs, e-mail addresses, numbers, code, emoji."""

from collections.abc import Collection

from pipeline.text.checks.verdict import quote, verdict
from pipeline.text.spans import Kind, invented, lost
from schemas.results import Check


def kept_placeholders(source: str, output: str) -> Check:
    """Fails when a placeholder or tag of the source is missing or another one appears."""
    return _kept("placeholders", "placeholders or tags", source, output, {Kind.PLACEHOLDER, Kind.TAG})


def kept_urls(source: str, output: str) -> Check:
    """Fails when a URL of the source is missing or another one appears."""
    return _kept("urls", "URLs", source, output, {Kind.URL})


def kept_emails(source: str, output: str) -> Check:
    """Fails when an e-mail address of the source is missing or another one appears."""
    return _kept("emails", "e-mail addresses", source, output, {Kind.EMAIL})


def kept_numbers(source: str, output: str) -> Check:
    """Fails when a number of the source is missing or another one appears; "1,5" and "1.5" are one number."""
    return _kept("numbers", "numbers", source, output, {Kind.NUMBER})


def kept_code(source: str, output: str) -> Check:
    """Fails when code of the source is missing; an answer may set more of its words as code."""
    return _kept("code", "code", source, output, {Kind.CODE}, may_add=True)


def kept_emoji(source: str, output: str) -> Check:
    """Fails when an emoji of the source is missing; an answer may have more."""
    return _kept("emoji", "emoji", source, output, {Kind.EMOJI}, may_add=True)


def _kept(name: str, what: str, source: str, output: str, kinds: Collection[Kind], may_add: bool = False) -> Check:
    missing = lost(source, output, kinds)
    added = [] if may_add else invented(source, output, kinds)
    problems = []
    if missing:
        problems.append(f"{what} of the source are missing: {quote(missing)}")
    if added:
        problems.append(f"{what} that the source does not have must go: {quote(added)}")
    return verdict(name, "; ".join(problems))
