"""Checks: what can be found out about an answer by looking at it.

Each check is a function of texts, never raises for any of them, takes time linear in their length, and returns a
`Check`. The detail of a failed one is one line that a model asked again can act on; it quotes at most three values.
"""

from pipeline.text.checks.kept import kept_code, kept_emails, kept_emoji, kept_numbers, kept_placeholders, kept_urls
from pipeline.text.checks.leftovers import no_leftovers
from pipeline.text.checks.numbers import numbers_from
from pipeline.text.checks.personal import no_personal_data
from pipeline.text.checks.promises import amounts_from
from pipeline.text.checks.repeats import distinct, no_loop
from pipeline.text.checks.translated import in_language, length_ratio, not_copied
from pipeline.text.checks.wording import forbidden_words, length_words, required_words

__all__ = [
    "amounts_from",
    "distinct",
    "forbidden_words",
    "in_language",
    "kept_code",
    "kept_emails",
    "kept_emoji",
    "kept_numbers",
    "kept_placeholders",
    "kept_urls",
    "length_ratio",
    "length_words",
    "no_leftovers",
    "no_loop",
    "no_personal_data",
    "not_copied",
    "numbers_from",
    "required_words",
]
