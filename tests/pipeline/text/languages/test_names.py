"""A language is known by code, by variety and by name."""

import pytest

from pipeline.text.languages import language_name, normal_code


@pytest.mark.parametrize(
    ("given_as", "code"),
    [
        *[(name, "es") for name in ("es", "ES", "es-MX", "es_419", "Spanish", "spanish", " español ", "Espanol")],
        *[("pt-br", "pt"), ("Brazilian Portuguese", "pt"), ("zh-Hans-CN", "zh"), ("中文", "zh"), ("en-GB", "en")],
        *[("nb", "no"), ("nn-NO", "no"), ("Norwegian", "no"), ("Norwegian Bokmål", "no"), ("fil", "tl"), ("iw", "he")],
    ],
)
def test_codes_and_names_become_one_code(given_as: str, code: str) -> None:
    assert normal_code(given_as) == code


def test_an_unknown_language_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'Spansh'.*Spanish \(es\)"):
        normal_code("Spansh")
    for name in ("", "-", "xx", "\ud800", "und", "x" * 10_000):
        with pytest.raises(ValueError, match="unknown language"):
            normal_code(name)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("es", "Spanish"),
        ("español", "Spanish"),
        ("pt-br", "Brazilian Portuguese"),
        ("pt_BR", "Brazilian Portuguese"),
        ("Brazilian Portuguese", "Brazilian Portuguese"),
        ("zh-TW", "Traditional Chinese"),
        ("nb", "Norwegian Bokmål"),
        ("es-AR", "Spanish"),
    ],
)
def test_prompts_name_the_variety(code: str, name: str) -> None:
    assert language_name(code) == name
