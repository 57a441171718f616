"""What nobody gave may not be promised, in seven languages."""

import pytest

from pipeline.text import checks
from schemas.results import Check

_POLICY = "Refunds within 30 days of delivery. A 10% discount on the next order, at most €20. Repairs take 3–5 weeks."


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
        ("We pay CA$20.", "ca$20"),
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
        ("De levering komt op 12 maart.", "12 maart"),
        ("De levering komt op vrijdag.", "vrijdag"),
    ],
)
def test_what_the_policy_does_not_give_is_named(answer: str, named: str) -> None:
    assert f"'{named}'" in (checks.amounts_from(answer, _POLICY).detail or "")


def test_a_date_is_one_date_in_every_spelling() -> None:
    for date in (
        "2026-03-12",
        "12.03.2026",
        "03/12/2026",
        "March 12",
        "12 mars",
        "12. März",
        "12 de marzo",
        "12 maart",
    ):
        assert checks.amounts_from(f"Arriving {date}", "Delivery: 12 March 2026").passed
    for card in ("credit card", "credit-card", "credit or debit card", "credit/debit card"):
        assert checks.amounts_from(f"Pay with your {card}", "").passed
    assert checks.amounts_from("Con su tarjeta de crédito, que tenga un día feliz", "").passed


@pytest.mark.parametrize("answer", ["Le devolveremos su dinero.", "Devolvemos o valor.", "Vi restituiamo i soldi."])
def test_money_given_back_is_a_refund(answer: str) -> None:
    assert not checks.amounts_from(answer, "Returns within 30 days").passed
    assert checks.amounts_from(answer, _POLICY).passed
