"""Translation prompts: examples are pairs of sentences that keep what must be kept, and are shown where they fit."""

import pytest
from pydantic import ValidationError

from jobs.translation_prompts import TranslationData, translation_data, translation_prompt
from pipeline.text import checks

EXAMPLES = translation_data().examples


def test_the_examples_keep_what_translations_must_keep() -> None:
    for code, sentences in EXAMPLES.items():
        for source, shown in zip(EXAMPLES["en"], sentences, strict=True):
            for check in (checks.kept_placeholders, checks.kept_urls, checks.kept_numbers):
                assert check(source, shown).passed, code
            assert checks.in_language(shown, code).passed


@pytest.mark.parametrize(
    ("source", "to", "shown"),
    [("en", "de", 2), ("und", "pt-br", 2), ("en", "hi", 0), ("und", "en", 0), ("fr", "de", 0)],
)
def test_examples_are_shown_from_english_into_a_language_that_has_some(source: str, to: str, shown: int) -> None:
    prompt = translation_prompt("A lamp.", source, to, [("lamp", "x")])
    assert [message.role for message in prompt.messages] == ["system", *["user", "assistant"] * (shown + 1), "user"]


def test_a_language_with_other_sentences_than_english_is_refused() -> None:
    with pytest.raises(ValidationError, match="de has not as many examples as en"):
        TranslationData.model_validate({"examples": {"en": ["a", "b"], "de": ["a"]}})
