"""Languages are told where they can be told, and nothing is claimed where they cannot."""

import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.languages import Detected, detect, is_language

_SENTENCES = {
    "ar": "وصلت الطلبية متأخرة وكان الصندوق مكسورا.",
    "bg": "Поръчката пристигна късно и кутията беше счупена.",
    "cs": "Zásilka dorazila pozdě a krabice byla rozbitá.",
    "de": "Die Lieferung kam zu spät und der Karton war kaputt.",
    "el": "Η παράδοση καθυστέρησε και το κουτί ήταν σπασμένο.",
    "en": "The delivery was late and the box was broken.",
    "es": "El pedido llegó tarde y la caja estaba rota.",
    "fi": "Toimitus oli myöhässä ja laatikko oli rikki.",
    "fr": "La livraison était en retard et la boîte était cassée.",
    "he": "המשלוח הגיע באיחור והקופסה הייתה שבורה.",
    "hi": "डिलीवरी देर से हुई और डिब्बा टूटा हुआ था।",
    "hu": "A csomag későn érkezett, és a doboz sérült volt.",
    "it": "La consegna è arrivata in ritardo e la scatola era rotta.",
    "ja": "配送が遅れ、箱が壊れていました。",
    "ko": "배송이 늦었고 상자가 부서져 있었습니다.",
    "nl": "De levering was te laat en de doos was kapot.",
    "pl": "Przesyłka dotarła późno, a pudełko było uszkodzone.",
    "pt": "A encomenda chegou tarde e a caixa estava partida.",
    "ro": "Livrarea a întârziat și cutia era spartă.",
    "ru": "Посылка пришла поздно, и коробка была сломана.",
    "sv": "Leveransen var försenad och kartongen var trasig.",
    "th": "การจัดส่งล่าช้าและกล่องเสียหาย",
    "tr": "Teslimat gecikti ve kutu kırılmıştı.",
    "uk": "Посилка прийшла пізно, і коробка була зламана.",
    "vi": "Đơn hàng đến muộn và hộp bị vỡ.",
    "zh": "送货晚了，盒子也坏了。",
}


@pytest.mark.parametrize("code", _SENTENCES)
def test_a_sentence_is_detected_and_is_its_language(code: str) -> None:
    found = detect(_SENTENCES[code])
    assert found.language == code
    assert found.confidence > 0.5
    assert is_language(_SENTENCES[code], code) is (None if code == "hi" else True)  # Hindi is close to Marathi


@pytest.mark.parametrize("code", sorted(_SENTENCES.keys() - {"en"}))
def test_english_is_no_other_language_and_no_other_is_english(code: str) -> None:
    assert is_language(_SENTENCES["en"], code) is False
    assert is_language(_SENTENCES[code], "en") is not True
    assert is_language("Sign in with your email address", code) is False


@pytest.mark.parametrize("text", ["", " ", "42", "😀😀", "https://example.com/about-us", "{name}", "`print`", "\ud800"])
def test_nothing_is_said_about_texts_without_language(text: str) -> None:
    assert detect(text) == Detected("und", 0.0)
    assert is_language(text, "es") is None


@pytest.mark.parametrize("text", ["OK", "Name"])
def test_short_texts_give_low_confidence(text: str) -> None:
    assert detect(text).confidence < 0.5


def test_what_is_not_language_does_not_count() -> None:
    text = "Merci beaucoup pour votre commande. https://www.thebestshopintheworld.com/all-the-orders-of-the-week"
    assert detect(text).language == "fr"
    assert is_language(text, "fr") is True


def test_ten_million_characters_take_no_time() -> None:
    text = _SENTENCES["es"] * (10_000_000 // len(_SENTENCES["es"]))
    detect(text)
    started = time.perf_counter()
    assert detect("x" + text).language == "es"
    assert time.perf_counter() - started < 2


@settings(deadline=None)  # the first text opens the detectors
@given(text=st.text(), code=st.sampled_from(["en", "ja", "gl", "sr", "kn", "mt", "ru", "zh"]))
def test_no_text_is_too_strange(text: str, code: str) -> None:
    found = detect(text)
    assert 0 <= found.confidence <= 1
    assert (found.language == "und") == (found.confidence == 0)
    assert is_language(text, code) in (True, False, None)
    assert detect(text) == found


def test_what_is_detected_can_be_pickled() -> None:
    found = detect(_SENTENCES["es"])
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301
    assert pickle.loads(pickle.dumps(is_language))(_SENTENCES["es"], "es") is True  # noqa: S301
