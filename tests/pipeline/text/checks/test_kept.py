"""What a source has must be in its translation."""

import pytest

from pipeline.text import checks
from schemas.results import Check


@pytest.mark.parametrize(
    ("check", "name", "source", "right", "wrong", "quoted"),
    [
        (checks.kept_placeholders, "placeholders", "Hi {name}", "Hola {name}", "Hola {nombre}", "'{name}'"),
        (
            checks.kept_placeholders,
            "placeholders",
            "A <b>big</b> one",
            "Una <b>grande</b>",
            "Una grande",
            "'<b>', '</b>'",
        ),
        (
            checks.kept_urls,
            "urls",
            "See https://a.example/x",
            "Véase https://a.example/x",
            "Véase https://b.example",
            "a.ex",
        ),
        (checks.kept_emails, "emails", "Write to a@b.example", "Escriba a a@b.example", "Escriba", "'a@b.example'"),
        (checks.kept_numbers, "numbers", "1,234.5 and 7", "7 y 1.234,5", "1.234,5 y 8", "'7'"),
        (checks.kept_code, "code", "Run `make`", "Ejecute `make`", "Ejecute hacer", "'`make`'"),
        (checks.kept_emoji, "emoji", "Nice 👍", "Bien 👍 🎉", "Bien", "'👍'"),
    ],
)
def test_what_must_be_kept(check, name: str, source: str, right: str, wrong: str, quoted: str) -> None:
    assert check(source, right) == Check(name=name, passed=True)
    failed = check(source, wrong)
    assert (failed.name, failed.passed) == (name, False)
    assert quoted in failed.detail


def test_details_quote_at_most_three_values_and_cut_them() -> None:
    detail = checks.kept_placeholders(" ".join(f"{{{c * 80}}}" for c in "abcde"), "").detail
    assert detail.count("…") == 3
    assert detail.endswith("and 2 more")
