"""How much personal data is found, and how much of what is found is none, on a labelled set in five languages.

The set is made of the sentences of `benchmarks/data/redaction.toml`, whose slots are filled with values drawn at
random: numbers with valid check digits, and hard negatives (orders, versions, dates, prices, ISBNs, coordinates,
parts). Half of the sentences and names were not looked at while the rules were written. Recall: the labelled spans that
are found as a whole and as what they are. Precision: the spans found that overlap a labelled one of their kind.
Prints a table for each half and the time a text takes; writes `benchmarks/redaction.json`.

    python benchmarks/redaction.py --held-out
"""

import argparse
import json
import random
import re
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from stdnum import luhn
from stdnum.es import ccc, dni
from stdnum.fr import nir
from stdnum.iso7064 import mod_11_10
from stdnum.it import codicefiscale

from pipeline.text.personal import ALL_KINDS, Finder, Kind, hide

_HERE = Path(__file__).resolve().parent
_SLOT = re.compile(r"\{(\w+)\}")
_FILLS = 6
"""So often is each sentence filled."""
_LANGUAGES = ("en", "es", "de", "fr", "it")
_CLEAN = "I bought this lamp last month and it works very well, the light is warm and the switch feels solid."
_SOME_DIGITS = "The battery lasts 2 days, I paid 25.50 euros for it and delivery took 3 days. Good for the price."

_PHONES = {
    "en": ["+44 20 79## ####", "(415) 555-2###", "07700 900###", "+1 212-555-0###", "020 7946 0###"],
    "es": ["+34 6## ### ###", "6## ## ## ##", "91 4## ## ##", "+34 6########", "6## ### ###"],
    "de": ["030 9018####", "0171 3######", "+49 171 3######", "089/54######", "+49 (0)30 9018####"],
    "fr": ["06 1# ## ## ##", "+33 6 1# ## ## ##", "01.42.6#.##.##", "01 42 6# ## ##", "07-61-##-##-##"],
    "it": ["347 1######", "+39 347 1######", "02 49######", "347 1## ####", "+39 06 698#####"],
}
_BARE = {"en": "07700900###", "es": "61#######", "de": "01713######", "fr": "061#######", "it": "3471######"}
_IBANS = {"en": "GB", "es": "ES", "de": "DE", "fr": "FR", "it": "IT"}
_BBANS = {
    "GB": "WEST##############",
    "DE": "##################",
    "FR": "#######################",
    "IT": "X######################",
}


class Values:
    """Draws the values of slots."""

    def __init__(self, language: str, names: list[str], seed: int) -> None:
        self._language, self._names = language, names
        self._draw = random.Random(seed)  # noqa: S311 - the draw is not a secret

    def of(self, slot: str) -> str:
        """A value for a slot."""
        make: Callable[[], str] = getattr(self, f"_{slot}", None) or (lambda: self._digits("#" * int(slot[5:])))
        return make()

    def _digits(self, form: str) -> str:
        return re.sub("#", lambda _: str(self._draw.randrange(10)), form)

    def _word(self, length: int, chars: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
        return "".join(self._draw.choices(chars, k=length))

    def _name(self) -> str:
        return self._draw.choice(self._names)

    def _surname(self) -> str:
        return self._name().split()[-1]

    def _email(self) -> str:
        first, last = self._name().lower().replace("'", "").split()[:2]
        host = self._draw.choice(
            ["mail.example", "post.example.org", "firma-nord.de", "correo.es", "uni.example.ac.uk"]
        )
        return self._draw.choice([f"{first}.{last}@{host}", f"{first}_{self._word(3)}@{host}", f"{last}+x@{host}"])

    def _phone(self) -> str:
        return self._digits(self._draw.choice(_PHONES[self._language]))

    def _phone_bare(self) -> str:
        return self._digits(_BARE[self._language])

    def _card_bare(self) -> str:
        brand, length = self._draw.choice([("4", 16), ("52", 16), ("37", 15), ("6011", 16), ("2304", 16)])
        body = brand + self._digits("#" * (length - len(brand) - 1))
        return body + luhn.calc_check_digit(body)

    def _card(self) -> str:
        bare, join = self._card_bare(), self._draw.choice(" -")
        groups = [bare[:4], bare[4:10], bare[10:]] if len(bare) == 15 else [bare[i : i + 4] for i in range(0, 16, 4)]
        return join.join(groups)

    def _iban_bare(self) -> str:
        country = _IBANS[self._language]
        if country == "ES":
            body = self._digits("########") + "00" + self._digits("##########")
            bban = body[:8] + ccc.calc_check_digits(body) + body[10:]
        else:
            bban = self._digits(_BBANS[country])
        number = int("".join(str(int(char, 36)) for char in f"{bban}{country}00"))
        return f"{country}{98 - number % 97:02d}{bban}"

    def _iban(self) -> str:
        bare = self._iban_bare()
        return " ".join(bare[i : i + 4] for i in range(0, len(bare), 4))

    def _ip(self) -> str:
        first, *others = self._draw.randrange(80, 220), *(self._draw.randrange(256) for _ in range(3))
        return ".".join(map(str, (first, *others)))

    def _ip6(self) -> str:
        groups = [f"{self._draw.randrange(4096, 65536):x}" for _ in range(6)]
        return self._draw.choice([f"2001:db8:{':'.join(groups)}", f"2001:db8::{groups[0]}:{groups[1]}"])

    def _dni(self) -> str:
        number = self._digits("########")
        return number + self._draw.choice(["", "-"]) + dni.calc_check_digit(number)

    def _nie(self) -> str:
        number = self._digits("#######")
        return f"X{number}{dni.calc_check_digit('0' + number)}"

    def _nhs(self) -> str:
        while True:
            body = self._digits("9########")
            check = 11 - sum(int(d) * w for d, w in zip(body, range(10, 1, -1), strict=True)) % 11
            if check != 10:
                whole = body + str(check % 11)
                return f"{whole[:3]} {whole[3:6]} {whole[6:]}"

    def _ssn(self) -> str:
        return f"{self._draw.randrange(100, 660)}-{self._draw.randrange(10, 99)}-{self._draw.randrange(1000, 9999)}"

    def _nino(self) -> str:
        return self._digits("AB ## ## ## C")

    def _idnr_bare(self) -> str:
        while True:  # of the first ten digits one comes twice, another not at all
            ten = self._draw.sample("0123456789", 10)
            ten[self._draw.randrange(1, 10)] = ten[self._draw.randrange(1, 10)]
            if ten[0] != "0" and len(set(ten)) == 9:
                return "".join(ten) + mod_11_10.calc_check_digit("".join(ten))

    def _idnr(self) -> str:
        bare = self._idnr_bare()
        return f"{bare[:2]} {bare[2:5]} {bare[5:8]} {bare[8:]}"

    def _nir_bare(self) -> str:
        body = f"{self._draw.choice('12')}{self._digits('8#')}0{self._draw.randrange(1, 10)}{self._digits('75######')}"
        return body + nir.calc_check_digits(body)

    def _nir(self) -> str:
        b = self._nir_bare()
        return f"{b[0]} {b[1:3]} {b[3:5]} {b[5:7]} {b[7:10]} {b[10:13]} {b[13:]}"

    def _cf(self) -> str:
        letters = self._word(6, "BCDFGLMNPRSTVZ")
        body = f"{letters}{self._digits('8#')}{self._draw.choice('ABCDEHLMPRST')}{self._draw.randrange(10, 28)}H501"
        return body + codicefiscale.calc_check_digit(body)[-1]

    def _url(self) -> str:
        return self._draw.choice(
            [
                f"https://shop.example/reset?token={self._word(20)}",
                f"https://api.example.com/v1/files?id=7&signature={self._word(32)}",
                f"https://jane:{self._word(8)}@files.example.net/private",
                f"https://meet.example.org/j/{self._word(8, '0123456789abcdef')}-4b1a-4c7d-9e2f-5a6b7c8d9e0f",
                f"https://news.example/unsubscribe?email=jane.{self._word(4)}%40mail.example",
            ]
        )

    def _date(self) -> str:
        day, month = self._draw.randrange(1, 29), self._draw.randrange(1, 13)
        year = self._draw.randrange(2015, 2027)
        return self._draw.choice(
            [f"{day:02d}.{month:02d}.{year}", f"{year}-{month:02d}-{day:02d}", f"{day}/{month}/{year}"]
        )

    def _price(self) -> str:
        return self._digits(self._draw.choice(["1.2##.###,00 €", "$1,2##,###.00", "12 ### ### EUR", "4##.99"]))

    def _version(self) -> str:
        return ".".join(str(self._draw.randrange(1, 25)) for _ in range(4))

    def _isbn(self) -> str:
        return self._digits("978-3-16-######-#")

    def _coord(self) -> str:
        return self._digits("48.85##, 2.35##")

    def _part(self) -> str:
        return self._digits(self._draw.choice(["555-###-####", "AB-######", "12##-####-##", "####.###.###"]))

    def _ean(self) -> str:
        return self._digits("40063813#####")

    def _times(self) -> str:
        return "09.00 - 17.30"

    def _time(self) -> str:
        return self._digits("12:3#:4#")

    def _years(self) -> str:
        return "2019-2023"

    def _url_plain(self) -> str:
        return f"https://help.example/best-lamps-2024-{self._word(5, 'abcdefgh')}?page=2&lang=en"

    def _url_commit(self) -> str:
        return f"https://code.example/x/commit/{self._word(40, '0123456789abcdef')}"


_KIND_OF = {
    **{"phone_bare": Kind.PHONE, "card_bare": Kind.CARD, "iban_bare": Kind.IBAN, "ip6": Kind.IP, "surname": Kind.NAME},
    **dict.fromkeys(
        ("nhs", "ssn", "nino", "dni", "nie", "idnr", "idnr_bare", "nir", "nir_bare", "cf"), Kind.NATIONAL_ID
    ),
    **{kind.value: kind for kind in ALL_KINDS},
}
Labelled = tuple[str, list[tuple[Kind, int, int]]]


def labelled_set(held_out: bool) -> Iterator[Labelled]:
    """Texts with their labelled spans: of one half of the sentences and names."""
    data = tomllib.loads((_HERE / "data" / "redaction.toml").read_text(encoding="utf-8"))
    names = data["names"]["held_out" if held_out else "tune"]
    for number, language in enumerate(_LANGUAGES):
        values = Values(language, names, 10 * number + held_out)
        for sentences in (data[language]["with"], data[language]["without"]):
            for sentence in sentences[held_out::2]:
                for _ in range(_FILLS):
                    yield _filled(sentence, values)


def _filled(sentence: str, values: Values) -> Labelled:
    text, spans, position = "", [], 0
    for slot in _SLOT.finditer(sentence):
        text += sentence[position : slot.start()]
        value = values.of(slot[1])
        if kind := _KIND_OF.get(slot[1]):
            spans.append((kind, len(text), len(text) + len(value)))
        text, position = text + value, slot.end()
    return text + sentence[position:], spans


def measure(texts: list[Labelled], show: bool) -> dict[str, dict[str, float]]:
    """Spans, recall and precision by kind."""
    finder = Finder()
    tally = Counter[tuple[str, str]]()
    for text, labels in texts:
        found = finder.find(text)
        for kind, start, end in labels:
            hit = any(f.kind == kind and f.start <= start and f.end >= end for f in found)
            tally[kind, "spans"] += 1
            tally[kind, "hits"] += hit
            if show and not hit:
                print(f"missed {kind}: {text[start:end]!r} in {text!r}")
        for f in found:
            right = any(f.kind == kind and f.start < end and f.end > start for kind, start, end in labels)
            tally[f.kind, "found"] += 1
            tally[f.kind, "right"] += right
            if show and not right:
                print(f"wrong {f.kind}: {text[f.start : f.end]!r} in {text!r}")
    for name in ("spans", "hits", "found", "right"):
        tally["all", name] = sum(tally[kind, name] for kind in ALL_KINDS)
    return {
        str(kind): {
            "spans": tally[kind, "spans"],
            "recall": tally[kind, "hits"] / max(1, tally[kind, "spans"]),
            "found": tally[kind, "found"],
            "precision": tally[kind, "right"] / max(1, tally[kind, "found"]),
        }
        for kind in (*ALL_KINDS, "all")
    }


def _microseconds(text: str, rounds: int = 5000) -> float:
    finder = Finder()
    started = time.process_time()
    for _ in range(rounds):
        hide([text], finder)
    return (time.process_time() - started) / rounds * 1e6


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-out", action="store_true", help="Measure the half that nothing was tuned on, too.")
    parser.add_argument("--show", action="store_true", help="Print what was missed or wrong in the first half.")
    args = parser.parse_args()
    report = {}
    for held_out in (False, True) if args.held_out else (False,):
        texts = list(labelled_set(held_out))
        figures = measure(texts, args.show and not held_out)
        report["held out" if held_out else "tuned on"] = figures
        print(f"\n{'held out' if held_out else 'tuned on'}: {len(texts)} texts")
        for kind, row in figures.items():
            print(f"{kind:12} {row['spans']:5.0f} spans  recall {row['recall']:.3f}  precision {row['precision']:.3f}")
    speed = {"clean": _microseconds(_CLEAN), "some_digits": _microseconds(_SOME_DIGITS)}
    print(f"\nmicroseconds a text: {speed['clean']:.1f} without digits, {speed['some_digits']:.1f} with some")
    (_HERE / "redaction.json").write_text(
        json.dumps({**report, "microseconds": speed}, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
