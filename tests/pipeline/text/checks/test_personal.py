"""A customer's data are not repeated; order numbers and dates may be."""

import pytest

from pipeline.text import checks


@pytest.mark.parametrize(
    ("message", "answer", "kind"),
    [
        ("Write to Ann@Example.com", "We wrote to ann@example.com.", "e-mail address"),
        ("Call 612 345 678", "We will call +34 612-345-678.", "phone number"),
        ("Mi teléfono: +34612345678", "Le llamamos al 612 345 678.", "phone number"),
        ("Tel 0170 12 34 567", "Wir rufen 0170 1234567 an.", "phone number"),
        ("1.800.555.1234", "We call 1-800-555-1234.", "phone number"),
        ("06.12.34.56.78", "Nous appelons le 06 12 34 56 78.", "phone number"),
        ("call me at 5551234567", "We call (555) 123-4567.", "phone number"),
        ("Card 4111 1111 1111 1111", "Your card 4111111111111111", "card number"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "We pay to DE89370400440532013000.", "account number"),
        ("I live at 12 Green Park Road, Leeds", "We send it to 12 Green Park Road.", "address"),
        ("Mon téléphone : 0612345678", "Nous appelons le 06 12 34 56 78.", "phone number"),
        ("my number is 5551234567", "We call 555 123 4567.", "phone number"),
        ("iban de89370400440532013000", "We pay to DE89 3704 0044 0532 0130 00.", "account number"),
        ("Vivo en c/ Mayor 12", "La enviamos a C/ Mayor, 12.", "address"),
        ("Vivo en Calle Mayor 12", "La enviamos a Calle Mayor, 12.", "address"),
        ("Ich wohne in der Hauptstraße 5", "Wir senden es an Hauptstraße 5.", "address"),
    ],
)
def test_personal_data_is_not_repeated(message: str, answer: str, kind: str) -> None:
    failed = checks.no_personal_data(answer, message)
    assert failed.detail.startswith(f"do not repeat the customer's {kind}")
    assert answer[-12:-2] not in failed.detail
    assert checks.no_personal_data(answer, message, context=message).passed
    assert checks.no_personal_data("Thank you, we will look into it.", message).passed


@pytest.mark.parametrize(
    "text",
    [
        "Order 123-456-7890 of 2026-03-12",
        "Order number: 123456789",
        "Order 4539578763621486",
        "Pedido nº 123-456-7890, número de seguimiento 123-4567-890",
        "bestelnummer 123-456-7890",
        "Sendungsnummer: 0034 0434 1612",
        "my order 112-3456789-1234567",
        "1234 5678 9012 3456 is no card",
        "It was 1,234.50 on 12/03/2026",
        "On 12/03/26 14:30, season 2024-2025",
        "It cost 1.234.567 pesos, not 1 000 000",
        "Windows 10.0.19045.3803 at 192.168.100.1",
        "Open 09.00-17.00",
    ],
)
def test_order_numbers_and_dates_may_be_repeated(text: str) -> None:
    assert checks.no_personal_data(text, text).passed


@pytest.mark.parametrize("said", ["[EMAIL_1]", "(EMAIL 1)", "[email_1]"])
def test_a_placeholder_is_as_good_as_the_value_however_it_is_written(said: str) -> None:
    message = "Write to [EMAIL_1] or [EMAIL_2]"
    assert checks.no_personal_data(f"We write to {said}.", message).detail.endswith("[EMAIL_1]")
    assert checks.no_personal_data(f"We write to {said}.", message, context="Ours is [EMAIL_1]").passed


def test_letters_that_only_look_like_those_of_an_account_number_do_no_harm() -> None:
    assert checks.no_personal_data("", "Gı89 3704 0044 0532 0130 00").passed
