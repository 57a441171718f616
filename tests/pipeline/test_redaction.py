"""Rows without personal data: at any depth, and whatever else their values hold."""

import json

import pyarrow as pa
import pytest

from pipeline.redaction import Redaction
from pipeline.text.personal import Finder

MAIL = "a@b.example"
ESCAPED = json.dumps({"to": MAIL}).replace("@", "\\u0040")


def hidden(values: pa.Array) -> pa.Array:
    batch = pa.record_batch({"x": values})
    return Redaction(Finder(), ("x",)).hide_batch(batch, range(len(values))).batch.column("x")


@pytest.mark.parametrize(
    ("array", "clean"),
    [
        (pa.array([[MAIL.encode(), b"\xff", None]], pa.list_(pa.binary())), [[b"[EMAIL_1]", b"\xff", None]]),
        (pa.array([[ESCAPED, '{"a":  1}']]), [['{"to": "[EMAIL_1]"}', '{"a":  1}']]),
        (pa.array([{"n": 1, "said": ESCAPED}]), [{"n": 1, "said": '{"to": "[EMAIL_1]"}'}]),
        (pa.array([[("k", MAIL)]], pa.map_(pa.string(), pa.string())), [[("k", "[EMAIL_1]")]]),
    ],
    ids=str,
)
def test_values_are_searched_at_any_depth(array: pa.Array, clean: list[object]) -> None:
    found = hidden(array)
    assert found.type == array.type
    assert found.to_pylist() == clean


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (
            {"name": "Ulla Meyer", "phone": "600123456", "mail": MAIL},
            {"name": "[NAME_1]", "phone": "[PHONE_1]", "mail": "[EMAIL_1]"},
        ),
        ({"phone": 34600123456, "total": 34600123457}, {"phone": "[PHONE_1]", "total": 34600123457}),
        ({"customer": {"phoneNumbers": ["600123456"]}}, {"customer": {"phoneNumbers": ["[PHONE_1]"]}}),
        ({"said": "Dear Anna Schmidt, hello"}, {"said": "Dear [NAME_1], hello"}),
        ({"stars": "600123456", "text": "I paid 600123456"}, {"stars": "600123456", "text": "I paid 600123456"}),
        ({"phone": "It was loud all day, and we then counted to 612345678 and back."}, None),
    ],
    ids=str,
)
def test_a_key_says_what_its_value_is(value: dict[str, object], clean: object) -> None:
    assert json.loads(hidden(pa.array([json.dumps(value)]))[0].as_py()) == (clean or value)
    if not any(isinstance(part, int) for part in value.values()):
        assert hidden(pa.array([value])).to_pylist() == [clean or value]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f'{{"n": {"7" * 5000}, "to": "{MAIL}"}}', f'{{"n": {"7" * 5000}, "to": "[EMAIL_1]"}}'),
        ("[" * 3000 + f'"{MAIL}"' + "]" * 3000, "[" * 3000 + '"[EMAIL_1]"' + "]" * 3000),
        (f'{{"to": "{MAIL}", "to": "me"}}', '{"to": "[EMAIL_1]", "to": "me"}'),
    ],
    ids=["number", "brackets", "names"],
)
def test_json_that_cannot_be_put_back_is_text(text: str, clean: str) -> None:
    assert hidden(pa.array([text])).to_pylist() == [clean]


def test_broken_utf8_in_json_stays_as_it_is() -> None:
    broken = b'{"to": "' + MAIL.encode() + b'", "x": "\xff"}'
    assert hidden(pa.array([broken])).to_pylist() == [broken.replace(MAIL.encode(), b"[EMAIL_1]")]
