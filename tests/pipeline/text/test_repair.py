"""What is put right in a translation, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.repair import put_right
from pipeline.text.spans import Kind, lost


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ("Hello {name}!", "¡Hola {nombre}!", "¡Hola {name}!"),
        ("{a} of {b}", "{x} de {y}", "{a} de {b}"),
        ("{a} of {b}", "{b} de {a}", "{b} de {a}"),
        ("See https://example.com/help.", "Vea https://ejemplo.com/ayuda.", "Vea https://example.com/help."),
        ("Run `save` now", "Ejecute `guardar` ahora", "Ejecute `save` ahora"),
        ("<b>Save</b>", "<strong>Guardar</strong>", "<b>Guardar</b>"),
        ("Hello {name}!", "¡Hola!", "¡Hola!"),
        ("It costs 5 euros", "Cuesta 6 euros", "Cuesta 6 euros"),
        ("Fine.", '"Bien."', "Bien."),
        ('"Fine."', '"Bien."', '"Bien."'),
        ("One line", "dos\nlíneas ", "dos líneas"),
        ("{x} and {x}", "{y} y {y}", "{x} y {x}"),
    ],
)
def test_spans_are_put_back_where_there_is_no_doubt(source: str, output: str, expected: str) -> None:
    assert put_right(source, output) == expected


_text = st.lists(
    st.sampled_from(["{a}", "{b}", "<b>", "</b>", "https://a.example", "word", "7", "`x`", '"', "\n"])
).map(" ".join)


@given(source=_text, output=_text)
def test_putting_right_loses_nothing_more(source: str, output: str) -> None:
    kinds = {Kind.PLACEHOLDER, Kind.TAG, Kind.URL, Kind.CODE}
    right = put_right(source, output)
    assert "\n" not in right
    assert len(lost(source, right, kinds)) <= len(lost(source, " ".join(output.split()), kinds))
