"""A text in its language is never called wrong, and one in another is where it is clear."""

import pytest

from pipeline.text.languages import is_language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Añadir al carrito", "es"),
        ("Guardar", "es"),
        ("Configuración", "es"),
        ("Datei öffnen", "de"),
        ("Gespeichert", "de"),
        ("Enregistrer", "fr"),
        ("Adicionar ao carrinho", "pt"),
        ("Salva con nome", "it"),
        ("Opslaan", "nl"),
        ("Zapisz", "pl"),
        ("保存", "ja"),
        ("注文確認", "ja"),
        ("iPhone 15 Pro Max 用ケース", "ja"),
        ("保存", "zh"),
        ("Сохранить", "ru"),
        ("Email", "es"),
        ("OK", "de"),
        ("Apple iPhone", "ja"),
        ("Sačuvaj promene", "sr"),
        ("Сачувај промене", "sr"),
        ("Engadir ao carriño", "gl"),
        ("Lagre endringene", "nb"),
    ],
)
def test_a_right_short_translation_is_never_called_wrong(text: str, code: str) -> None:
    assert is_language(text, code) is not False


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Senarai kategori yang mana aplikasi diletak ke dalam folder ini", "ms"),
        ("Non foi posíbel recuperar a información sobre o ficheiro", "gl"),
        ("Biblioteca PCRE este compilată cu opțiuni incompatibile", "ro"),
    ],
)
def test_a_neighbour_that_looks_alike_does_not_make_an_answer_wrong(text: str, code: str) -> None:
    assert is_language(text, code) is not False


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Przesyłka dotarła późno, a pudełko było uszkodzone.", "es"),
        ("Add to cart", "ja"),
        ("Привет", "en"),
        ("保存", "de"),
        ("こんにちは", "zh"),
        ("Сохранить", "el"),
        ("The quick brown fox jumps over the lazy dog.", "mt"),
        ("Bitte geben Sie Ihre Adresse ein", "es"),
        ("これは日本語の文章です。", "ko"),
    ],
)
def test_what_is_clearly_another_language_is_told_so(text: str, code: str) -> None:
    assert is_language(text, code) is False
