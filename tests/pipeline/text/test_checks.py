"""Every check passes what is right, fails what is wrong, and says so in one line."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text import checks
from schemas.results import Check

_KEPT = [
    checks.kept_placeholders,
    checks.kept_urls,
    checks.kept_emails,
    checks.kept_numbers,
    checks.kept_code,
    checks.kept_emoji,
]
_CHECKS: list[Callable[[str, str], Check]] = [
    *_KEPT,
    checks.not_copied,
    checks.length_ratio,
    checks.no_leftovers,
    checks.numbers_from,
    checks.amounts_from,
    checks.no_personal_data,
    lambda source, output: checks.no_loop(output, source),
    lambda source, output: checks.in_language(output, "es"),
    lambda source, output: checks.length_words(output, 3, 5),
    lambda source, output: checks.required_words(output, [source[:40], "free"]),
    lambda source, output: checks.forbidden_words(output, [source[:40]]),
]
_POLICY = "Refunds within 30 days of delivery. A 10% discount on the next order, at most €20. Repairs take 3–5 weeks."
_PROSE = (
    "The lamp is easy to set up. Its arm turns in every direction, and a small switch on the base sets one of three "
    "levels of light. We tested it in a workshop, a bedroom and a kitchen, and it did well in each of them. "
)


@settings(deadline=None)
@given(one=st.text(), other=st.text())
@pytest.mark.parametrize("check", _CHECKS)
def test_no_text_is_too_strange(check: Callable[[str, str], Check], one: str, other: str) -> None:
    found = check(one, other)
    assert found.passed == (found.detail is None)
    assert found.passed or len(found.detail.splitlines()) == 1


_pieces = st.lists(
    st.sampled_from(
        [
            "{name}",
            "https://a.example/x",
            "jo@example.com",
            "1,5",
            "20%",
            "`a\nb`",
            "😀",
            "+34 612 345 678",
            "€5",
            "\n",
            "�",
            "3 days",
            "Monday",
            "refund",
            "[Your\u2028Name]",
            "```",
            "DE89 3704 0044 0532 0130 00",
            "TODO:",
            "a",
        ]
    )
).map(" ".join)


@settings(deadline=None)
@given(one=_pieces, other=_pieces)
@pytest.mark.parametrize("check", _CHECKS)
def test_details_are_one_line(check: Callable[[str, str], Check], one: str, other: str) -> None:
    found = check(one, other)
    assert found.passed or len(found.detail.splitlines()) == 1


@settings(deadline=None)
@given(text=st.text() | _pieces)
@pytest.mark.parametrize("check", _KEPT)
def test_a_text_keeps_what_it_has(check: Callable[[str, str], Check], text: str) -> None:
    assert check(text, text).passed


_UNITS = [
    "a",
    "1",
    "1,",
    "1'",
    "1.1 ",
    " ",
    "\n",
    "TODO",
    "TODO ",
    "```",
    "{",
    "[your ",
    "+1 ",
    "1 1 ",
    "one ",
    "ab",
    "x ",
    "refund ",
    "12 mai ",
    "Lorem",
    "$1",
    "aaaaaaab",
    "1\xa0",
    "here is the ",
    "rue a ",
    "AB12 ",
    "。",
    "漢字",
    "<",
]
"""What patterns of this kind are known to choke on, many times in a row."""


@pytest.mark.parametrize("check", _CHECKS)
def test_long_texts_of_one_kind_come_to_an_end(check: Callable[[str, str], Check]) -> None:
    for unit in _UNITS:
        text = unit * (20_000 // len(unit))
        assert check(text, text).name


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


def test_the_language_fails_only_when_it_is_surely_another() -> None:
    assert checks.in_language("El pedido llegó tarde.", "es").passed
    assert checks.in_language("OK", "es").passed
    failed = checks.in_language("The order arrived late and broken.", "pt-BR")
    assert failed.detail == "the answer is not in Brazilian Portuguese; write it in that language"
    with pytest.raises(ValueError, match="unknown language"):
        checks.in_language("", "klingonish")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("Your order has been shipped.", "your order has been  shipped"),
        (
            "Your order has been shipped to {name} at last, and it will arrive soon.",
            "Your order has been shipped to {name} at last, and it will arrive today.",
        ),
        ("WE SHIP YOUR ORDER TODAY", "We ship your order today"),
        ("您的订单已经发货了", "您的订单已经发货了。"),
    ],
)
def test_copies_are_found(source: str, output: str) -> None:
    assert not checks.not_copied(source, output).passed
    assert checks.not_copied(source, output, same_language_expected=True).passed


@pytest.mark.parametrize(
    "text", ["OK", "Django", "Email", "1234", "", "{name}", "Apple iPhone 15 Pro Max", "New York Times"]
)
def test_what_translation_leaves_as_it_is_is_no_copy(text: str) -> None:
    assert checks.not_copied(text, text).passed
    assert checks.not_copied("Your order has been shipped.", "Su pedido ha sido enviado.").passed


def test_lengths_are_compared_by_what_characters_stand_for() -> None:
    assert checks.length_ratio("OK", "Einverstanden").passed
    assert checks.length_ratio("The delivery was late and the box was broken.", "送货晚了，盒子也坏了。").passed
    assert checks.length_ratio("送货晚了，盒子也坏了。", "The delivery was late and the box was broken.").passed
    assert checks.length_ratio("Please confirm your e-mail address now.", "メールアドレスを確認してください。").passed
    assert "too short" in checks.length_ratio(_PROSE, "La lámpara.").detail
    assert "too long" in checks.length_ratio("The lamp is easy.", _PROSE).detail
    assert checks.length_ratio("Yes", " ").detail == "the answer is empty"


@pytest.mark.parametrize(
    "loop",
    [
        "the lamp " * 6,
        "a" * 30,
        "很好" * 10,
        "I am sorry, I cannot. " * 8,
        "".join(
            f"{i} The lamp is easy to set up.\n" if i % 3 == 0 else "The lamp is easy to set up.\n" for i in range(9)
        ),
        "".join(f"{_PROSE}{i}" for i in range(40)),
    ],
)
def test_loops_are_found_unless_the_source_has_them(loop: str) -> None:
    failed = checks.no_loop("It is good. " + loop)
    assert failed.detail.startswith("the answer repeats itself")
    assert checks.no_loop(loop, loop).passed


@pytest.mark.parametrize(
    "text",
    [
        _PROSE * 3,
        "very, very, very good",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "-" * 80,
        "Nooooooo!",
        "ha ha ha",
    ],
)
def test_what_people_repeat_is_no_loop(text: str) -> None:
    assert checks.no_loop(text).passed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("don't do well-known 3.5 things", 5),
        ("送货晚了", 2),
        ("送货晚了吗", 3),
        ("Django 框架", 2),
        ("😀 — !", 0),
        ("हिन्दी भाषा", 2),
    ],
)
def test_words_are_counted(text: str, words: int) -> None:
    assert checks.length_words(text, words, words).passed
    assert checks.length_words(text, None, None).passed
    assert not checks.length_words(text, words + 1, None).passed
    assert f"the answer has {words} words" in (checks.length_words(text, None, words - 1).detail or "")


def test_required_words_stand_alone_up_to_case_and_plural() -> None:
    passing = checks.required_words(
        "Two LED lamps, café-style; 使用Django框架", ["led", "Lamp", "CAFÉ", "框架", "Django", ""]
    )
    assert passing == Check(name="required_words", passed=True)
    assert "'led', 'box'" in checks.required_words("A ledger and a boxer", ["led", "box"]).detail
    assert not checks.required_words("A free-standing lamp", ["free standing"]).passed
    assert checks.required_words("Easy  to\nuse", ["easy to use"]).passed


def test_forbidden_words_stand_alone() -> None:
    assert checks.forbidden_words("You cannot; the cans", ["can"]).passed
    assert "'Best'" in checks.forbidden_words("The best lamp", ["Best", "cheap"]).detail
    assert not checks.forbidden_words("最好的灯", ["最好"]).passed
    assert not checks.forbidden_words("100% natural", ["100%"]).passed


def test_numbers_come_from_the_sources() -> None:
    brief = "20 W, 1.5 m cable, three colours, model X200"
    answer = "The #1 lamp:\n1. 20 W\n2. A cable of 1,5 m\n3. Comes in 3 colours\n4. Model 200"
    assert checks.numbers_from(answer, "", brief) == Check(name="numbers", passed=True)
    assert "'25'" in checks.numbers_from("It has 25 W and 20 W.", brief).detail
    assert not checks.numbers_from("9. A lamp", brief).passed


@pytest.mark.parametrize(
    "answer",
    [
        "You get a refund within 30 days.",
        "Le reembolsamos en 30 días.",
        "Sie erhalten 10 % Rabatt, höchstens 20 €.",
        "La réparation prend 5 semaines.",
        "Thank you for your message. Which lamp is it?",
        "Hai diritto a uno sconto del 10%.",
    ],
)
def test_what_the_policy_gives_may_be_promised(answer: str) -> None:
    assert checks.amounts_from(answer, "", _POLICY) == Check(name="promises", passed=True)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("You get a refund within 14 days.", "14 days"),
        ("We answer in 24 hours.", "24 hours"),
        ("Le contestamos en 24 horas.", "24 horas"),
        ("Nous répondons sous 48 heures.", "48 heures"),
        ("Wir melden uns in zwei Tagen.", "zwei tagen"),
        ("Take 25% off.", "25%"),
        ("We pay $20.", "$20"),
        ("Here is a gift card.", "gift card"),
        ("Le enviamos un reemplazo.", "reemplazo"),
        ("Wir schicken Ihnen einen Gutschein.", "gutschein"),
        ("Nous vous offrons un bon d’achat.", "bon d'achat"),
        ("La spedizione è gratuita.", "gratuita"),
        ("Receberá uma indenização.", "indenização"),
        ("U krijgt een vergoeding.", "vergoeding"),
        ("It will be free of charge.", "free of charge"),
        ("We put a credit on your account.", "credit"),
        ("It arrives on Friday.", "friday"),
        ("Llega el 12 de marzo.", "12 de marzo"),
        ("It arrives on 2026-03-12.", "2026-03-12"),
        ("It arrives on March 12th.", "march 12th"),
        ("It is due by 12/03/2026.", "12/03/2026"),
        ("Ab Mai 2026 wieder da.", "mai 2026"),
    ],
)
def test_what_the_policy_does_not_give_is_named(answer: str, named: str) -> None:
    assert f"'{named}'" in (checks.amounts_from(answer, _POLICY).detail or "")


def test_a_date_is_one_date_in_every_spelling() -> None:
    for date in ("2026-03-12", "12.03.2026", "03/12/2026", "March 12", "12 mars", "12. März", "12 de marzo"):
        assert checks.amounts_from(f"Arriving {date}", "Delivery: 12 March 2026").passed
    assert checks.amounts_from("Pay with your credit card", "").passed
    assert checks.amounts_from("Con su tarjeta de crédito, que tenga un día feliz", "").passed


@pytest.mark.parametrize(
    "text",
    [
        "Dear [Your Name],",
        "[Company]",
        "<insert product>",
        "Buy {product}",
        "{{x}}",
        "Call XXX",
        "TODO: price",
        "Lorem ipsum dolor",
        "As an AI language model, I",
        "Here is the translation: Hola",
        "Sure! Here is your text",
        "```\nHola\n```",
        "Hi<|im_end|>",
        "Aquí tienes la traducción:\nHola",
        "Here's the product description you asked for:\n\nA lamp",
        "[INST] Hi",
    ],
)
def test_leftovers_are_found_unless_given(text: str) -> None:
    assert not checks.no_leftovers(text).passed
    assert checks.no_leftovers(text, allowed=f"Brief: {text}").passed


@pytest.mark.parametrize(
    "text",
    [
        "See [1] and [your cart](https://a.example)",
        "Size XXXL",
        "Lo cambia TODO.",
        "Here is the lamp that you wanted.",
        "Use `x` and\n```\ncode\n```\nthen",
        "a < b > c",
        "Here's the deal: it is small.",
    ],
)
def test_plain_texts_have_no_leftovers(text: str) -> None:
    assert checks.no_leftovers(text) == Check(name="no_leftovers", passed=True)


@pytest.mark.parametrize(
    ("message", "answer", "kind"),
    [
        ("Write to Ann@Example.com", "We wrote to ann@example.com.", "e-mail address"),
        ("Call 612 345 678", "We will call +34 612-345-678.", "phone number"),
        ("Mi teléfono: +34612345678", "Le llamamos al 612 345 678.", "phone number"),
        ("call me at 5551234567", "We call (555) 123-4567.", "phone number"),
        ("Card 4111 1111 1111 1111", "Your card 4111111111111111", "card number"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "We pay to DE89370400440532013000.", "account number"),
        ("I live at 12 Green Park Road, Leeds", "We send it to 12 Green Park Road.", "address"),
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
        "my order 112-3456789-1234567",
        "1234 5678 9012 3456 is no card",
        "It was 1,234.50 on 12/03/2026",
    ],
)
def test_order_numbers_and_dates_may_be_repeated(text: str) -> None:
    assert checks.no_personal_data(text, text).passed


def test_repeats_are_found_up_to_case_spaces_and_punctuation() -> None:
    assert checks.distinct(["A lamp.", "a  LAMP", "A lamp for you", "😀", "😀", "🎉", "a-lamp!", ""]) == [1, 4, 6]
