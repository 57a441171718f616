"""Personal data: what is found and what is not, and that hiding it can be undone and leaves nothing."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.text.personal import Finder, Kind, hide, restore

FINDER = Finder()
VALUES = {
    Kind.EMAIL: ["jane.doe@example.com", "müller+x@post.example.de", "jane [at] example [dot] com"],
    Kind.PHONE: ["+44 20 7946 0958", "+34612345678", "(415) 555-2671", "0049 30 12345678"],
    Kind.CARD: ["4111 1111 1111 1111", "378282246310005", "5555-5555-5555-4444"],
    Kind.IBAN: ["ES91 2100 0418 4502 0005 1332", "DE89370400440532013000", "gb82 west 1234 5698 7654 32"],
    Kind.IP: ["203.0.113.45", "2001:db8::8a2e:370:7334"],
    Kind.NATIONAL_ID: ["12345678Z", "X1234567L", "RSSMRA85T10A562S", "529.982.247-25", "756.9217.0769.85"],
    Kind.URL: ["https://x.example/reset?token=abc123", "https://jane:secret@host.example/a"],
    Kind.NAME: ["Maria Rossi", "Hans-Peter Müller", "José García López"],
}
_VALUE = st.sampled_from([value for values in VALUES.values() for value in values])
_TEXT = st.lists(
    st.one_of(
        _VALUE,
        st.text(max_size=6),
        st.text("0123456789 -+.()@:/[]_", max_size=12),
        st.sampled_from(["[EMAIL_1]", "[email 2]", "\\[NAME_1]", " order ", " call ", "Dear ", "\n", " "]),
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in VALUES.items() for value in values])
def test_each_kind_is_found_as_a_whole(kind: Kind, value: str) -> None:
    text = f"He wrote: {value}, and that was all."
    assert [(f.kind, text[f.start : f.end]) for f in FINDER.find(text)] == [(kind, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Lothar: +49 171 3456789", "+49 171 3456789"),
        ("My partner: +34 612 345 678", "+34 612 345 678"),
        ("Call Casey +44 7700 900123", "+44 7700 900123"),
        ("My order: call +44 7700 900123", "+44 7700 900123"),
        ("Partner 12345678Z", "12345678Z"),
        ("DNI no.12345678Z", "12345678Z"),
        ("visa,4111111111111111,12/27", "4111111111111111"),
        ("card no.4111111111111111", "4111111111111111"),
        ("Tel.+49 171 3456789", "+49 171 3456789"),
        ("SS24 DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
    ],
)
def test_what_stands_before_a_value_does_not_hide_it(text: str, value: str) -> None:
    assert [text[f.start : f.end] for f in FINDER.find(text)] == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("card 4111 1111 1111 1111 12/26", "4111 1111 1111 1111"),
        ("Visa 4111111111111111 12/26", "4111111111111111"),
        ("card 4111111111111111 123", "4111111111111111"),
        ("4111111111111111-12-26", "4111111111111111"),
        ("378282246310005 12/26", "378282246310005"),
        ("1 4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1, I said", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    ],
)
def test_what_stands_around_a_card_number_does_not_hide_it(text: str, value: str) -> None:
    assert [(f.kind, text[f.start : f.end]) for f in FINDER.find(text)] == [(Kind.CARD, value)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Call +1 555 123 4567 10001 New York", ["+1 555 123 4567"]),
        ("Tel +34 912 345 678 08001 Barcelona", ["+34 912 345 678"]),
        ("my phone 0171 1234567 80331 München", ["0171 1234567"]),
        ("(0171 1234567) 80331 München", ["(0171 1234567)"]),
        ("212-555-0123 10001 New York", ["212-555-0123"]),
        ("+34600123456 9-18", ["+34600123456"]),
        ("+34 600 123 456 9-18h", ["+34 600 123 456"]),
        ("Mobile +34 600 123 456 24/7", ["+34 600 123 456"]),
        ("+44 7700 900123 10.30", ["+44 7700 900123"]),
        ("+34 600 123 456 €20", ["+34 600 123 456"]),
        ("0034 600 123 456 €20", ["0034 600 123 456"]),
        ("Call +34 600 123 456 12", ["+34 600 123 456"]),
        ("call 600 123 456 600 123 457", ["600 123 456", "600 123 457"]),
        ("06 12 34 56 78 06 98 76 54 32", ["06 12 34 56 78", "06 98 76 54 32"]),
    ],
)
def test_what_stands_behind_a_phone_number_does_not_hide_it(text: str, values: list[str]) -> None:
    assert [(f.kind, text[f.start : f.end]) for f in FINDER.find(text)] == [(Kind.PHONE, value) for value in values]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("This is Ulla Meyer calling", "This is [NAME_1] calling"),
        ("Ich bin Ulla Meyer aus Bonn", "Ich bin [NAME_1] aus Bonn"),
        ("Soy Ana López que llamó ayer", "Soy [NAME_1] que llamó ayer"),
        ("C'est Ulla Meyer qui appelle", "C'est [NAME_1] qui appelle"),
        ("This is Ulla MEYER, but it broke", "This is [NAME_1], but it broke"),
        ("Je m'appelle Jean DUPONT", "Je m'appelle [NAME_1]"),
        ("my name is JOHN SMITH", "my name is [NAME_1]"),
        ("MY NAME IS JOHN SMITH AND I WAIT", "MY NAME IS [NAME_1] AND I WAIT"),
        ("Name: ULLA MEYER", "Name: [NAME_1]"),
        ("It broke.\nRegards,\nJOHN SMITH", "It broke.\nRegards,\n[NAME_1]"),
        ("-john@example.com", "-[EMAIL_1]"),
        ("to:+john@example.com", "to:+[EMAIL_1]"),
        ("%20john@example.com", "%[EMAIL_1]"),
        ("a-b.c+d@example.com", "[EMAIL_1]"),
        ("see www.x.com/reset?u=john%40example.com now", "see [URL_1] now"),
    ],
)
def test_a_name_or_an_address_is_hidden_as_a_whole(text: str, read: str) -> None:
    assert hide([text], FINDER).texts == [read]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.CARD, "4111\u20111111\u20111111\u20111111"),
        (Kind.CARD, "4111\u20131111\u20131111\u20131111"),
        (Kind.CARD, "4111\u20091111\u202f1111\u00a01111"),
        (Kind.CARD, "4111  1111  1111\n1111"),
        (Kind.CARD, "４１１１ １１１１ １１１１ １１１１"),
        (Kind.IBAN, "ES91\u20092100\u20090418\u20094502\u20090005\u20091332"),
        (Kind.IBAN, "DE89  3704  0044\n0532  0130  00"),
        (Kind.PHONE, "+34\u2011600\u2011123\u2011456"),
        (Kind.PHONE, "(415)\u2013555\u20132671"),
        (Kind.PHONE, "+34\u2009600\u2009123\u2009456"),
        (Kind.PHONE, "+34\u200b600\u200b123\u200b456"),
        (Kind.NATIONAL_ID, "123\u201345\u20136789"),
        (Kind.NATIONAL_ID, "756\u200b.9217.0769.85"),
        (Kind.EMAIL, "john@exam\u00adple.com"),
        (Kind.EMAIL, "john\u200b@example.com"),
        (Kind.EMAIL, "john＠example.com"),
        (Kind.EMAIL, "jean\u2011luc@example.com"),
    ],
)
def test_how_a_value_is_typeset_does_not_hide_it(kind: Kind, value: str) -> None:
    text = f"He wrote\u200b – {value}\u200b, and that was all."
    assert [(f.kind, text[f.start : f.end]) for f in FINDER.find(text)] == [(kind, value)]
    hidden = hide([text], FINDER)
    assert restore(hidden.texts[0], hidden.values) == text


def test_a_number_with_spaces_is_an_id_where_it_is_called_one() -> None:
    assert [f.kind for f in FINDER.find("SSN: 123 45 6789")] == [Kind.NATIONAL_ID]
    assert [f.kind for f in FINDER.find("DNI\u201312345678Z")] == [Kind.NATIONAL_ID]


@pytest.mark.parametrize(
    "text",
    [
        "Ratings: 4 5 3 4 5 5 4 3 2 4 5 3 4 5 5 4 1 2 4 5 4 4 5 3 2 4 5 4 5 3 5 4",
        "We sold 415 555 2671 30 of them and 212 555 0123 9 more",
        "THIS IS AWESOME STUFF! I am SO ANGRY. It's REALLY BAD. THANKS. WILL BUY AGAIN.",
        "This is Ulla Meyering stuff, Anna BEST BUY, Dear CUSTOMER SERVICE,",
        "600 123 456 000 000 stars, 612 345 678 € and part 06-12-34-56-78-06-98-76-54-32",
        "Order 4111111111111111 came on 12.05.2024.",
        "ISBN 978-3-16-148410-0, EAN 4006381333931",
        "It cost 1.234.567 EUR, or 1,234,567.00 dollars.",
        "Firmware 10.2.3.4 after version 2.10.4.1",
        "std::vector<int> a::b at 12:30:45",
        "https://shop.example/best-laptops-2024-review?page=2",
        "https://github.com/x/y/commit/8f14e45fceea167a5a36dedd4bea2543c1b2a3d4",
        "Card 4111 1111 1111 1112 has a wrong digit, so has 12345678A.",
        "From 2019-2023 we were open 09.00 - 17.30.",
        "Thank you, Great Product! Best Regards",
        "Bestellnummer 0170 1234567, Auftragsnr. 0170 1234567, Sendungsnummer: 0170 1234567",
        "Coordinates 48.8566, 2.3522 and part 555-123-4567",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert FINDER.find(text) == []


@settings(max_examples=150)
@given(texts=st.lists(_TEXT, max_size=3))
@example(texts=["\\jane.doe@example.com", "[EMAIL_1] <jane.doe@example.com>"])
@example(texts=["Dear Anna, Anna and Joanna wrote", "Anna"])
def test_what_was_hidden_is_put_back_exactly_and_is_nowhere_before(texts: list[str]) -> None:
    hidden = hide(texts, FINDER)
    assert [restore(text, hidden.values) for text in hidden.texts] == texts
    again = hide(hidden.texts, FINDER)
    assert (again.texts, again.values) == (hidden.texts, {})
    for placeholder, value in hidden.values.items():
        if not placeholder.startswith("[NAME"):
            assert all(value not in text for text in hidden.texts)


def test_equal_values_have_one_placeholder_and_parts_of_a_name_are_hidden_too() -> None:
    hidden = hide(["My name is Anna Schmidt, a@b.example", "Anna wrote from a@b.example, not c@b.example"], FINDER)
    assert hidden.texts == [
        "My name is [NAME_1], [EMAIL_1]",
        "[NAME_2] wrote from [EMAIL_1], not [EMAIL_2]",
    ]


def test_placeholders_that_a_text_has_already_are_not_given_again() -> None:
    hidden = hide(["See [EMAIL_1] and a@b.example"], FINDER)
    assert hidden.texts == ["See [EMAIL_1] and [EMAIL_2]"]
    assert restore("[EMAIL_1] [EMAIL_2]", hidden.values) == "[EMAIL_1] a@b.example"


@pytest.mark.parametrize("said", ["[EMAIL_1]", "[email_1]", "[Email 1]", "\\[EMAIL\\_1\\]", "【EMAIL_1】"])
def test_what_a_model_makes_of_a_placeholder_is_put_back(said: str) -> None:
    assert restore(f"To {said}.", {"[EMAIL_1]": "a@b.example"}) == "To a@b.example."


def test_only_the_kinds_asked_for() -> None:
    text = "Mail a@b.example or call +44 20 7946 0958"
    assert hide([text], Finder((Kind.PHONE,))).texts == ["Mail a@b.example or call [PHONE_1]"]


def test_recognisers_of_other_kinds_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.text.personal.find.ibans", lambda text: pytest.fail("asked"))
    assert len(Finder((Kind.EMAIL,)).find("a@b.example, DE89370400440532013000")) == 1


def test_a_bare_number_counts_where_its_country_is_named() -> None:
    assert FINDER.find("Mejor 612345678 mañana") == []
    assert [f.kind for f in Finder(regions=("ES",)).find("Mejor 612345678 mañana")] == [Kind.PHONE]


@pytest.mark.parametrize(
    "piece",
    [
        "Regards" + " " * 50,
        "\n",
        "A",
        "1 ",
        "a@",
        ":",
        "Anna ",
        "[EMAIL_1]",
        "Dear A",
        "x@y.example ",
        "4" * 15,
        "600 123 456 ",
        "+1 2 ",
    ],
)
def test_the_time_is_about_linear_in_the_text(piece: str) -> None:
    text = piece * (20_000 // len(piece))
    started = time.process_time()
    hide([text], FINDER)
    assert time.process_time() - started < 5
