"""National ids: numbers of persons, by their form and their check digits (python-stdnum)."""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

from pipeline.text.personal.context import before, is_reference
from pipeline.text.personal.kinds import Found, Kind


class _Id(NamedTuple):
    """A kind of id.

    Attributes:
        module: of stdnum; empty: its form alone tells it.
        form: without what stands around it.
        cue: what must be said before it, since other numbers have its form and, one in ten, its check digit.
    """

    module: str
    form: str
    cue: str = ""


_IDS = (
    _Id("es.dni", r"\d{8}[\- ]?[A-Z]|\d{1,2}\.\d{3}\.\d{3}[\- ]?[A-Z]"),
    _Id("es.nie", r"[XYZ][\- ]?\d{7}[\- ]?[A-Z]"),
    _Id("fr.nir", r"[12][ .]?\d\d[ .]?\d\d[ .]?\d[\dAB][ .]?\d{3}[ .]?\d{3}[ .\-]?\d\d"),
    _Id("it.codicefiscale", r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]"),
    _Id("it.codicefiscale", r"[A-Z]{3} [A-Z]{3} \d\d[A-Z]\d\d [A-Z]\d{3}[A-Z]"),
    _Id("de.idnr", r"\d\d \d{3} \d{3} \d{3}"),
    _Id("de.idnr", r"\d{11}", r"steuer|tax|idnr|identifikation|\btin\b|steuer-?id"),
    _Id("pt.nif", r"\d{3}[ .]?\d{3}[ .]?\d{3}", r"\bnif\b|contribuinte|fiscal"),
    _Id("pt.cc", r"\d{8}[ \-]?\d[ \-]?[A-Z0-9]{2}\d", r"cart[ãa]o|cidad[ãa]o|\bcc\b|\bbi\b|identidade"),
    _Id("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d\d"),
    _Id("br.cpf", r"\d{11}", r"\bcpf\b"),
    _Id("gb.nhs", r"\d{3}[ \-]?\d{3}[ \-]?\d{4}", r"\bnhs\b"),
    _Id("", r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"),
    _Id("us.ssn", r"\d{3}-\d\d-\d{4}"),
    _Id("us.ssn", r"\d{9}|\d{3} {1,2}\d\d {1,2}\d{4}", r"\bssn\b|social security"),
    _Id("nl.bsn", r"\d{9}|\d{4}[. ]\d\d[. ]\d{3}", r"\bbsn\b|burgerservice|sofi"),
    _Id("be.nn", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d"),
    _Id("be.nn", r"\d{11}", r"rijksregister|registre national|national|\bnn\b|\bniss\b"),
    _Id("ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d\d"),
    _Id("at.vnr", r"\d{4} ?\d{6}", r"sozialversicherung|\bsvnr?\b|versicherungsnummer"),
    _Id("ie.pps", r"\d{7}[A-W][A-IW]?", r"\bpps"),
    _Id("pl.pesel", r"\d{11}", r"pesel"),
    _Id("se.personnummer", r"(?:19|20)?\d{6}[\-+]\d{4}"),
    _Id("fi.hetu", r"\d{6}[\-+A]\d{3}[0-9A-Z]"),
    _Id("in_.aadhaar", r"[2-9]\d{3} \d{4} \d{4}"),
    _Id("mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d"),
    _Id("cl.rut", r"\d{1,2}\.\d{3}\.\d{3}-[\dK]"),
    _Id("ar.cuit", r"(?:20|23|24|27|30|33|34)-\d{8}-\d"),
    _Id("ca.sin", r"\d{3}[ \-]?\d{3}[ \-]?\d{3}", r"\bsin\b|social insurance"),
    _Id("au.tfn", r"\d{3} ?\d{3} ?\d{3}", r"\btfn\b|tax file"),
)
_UNSPACED = {"de.idnr", "fr.nir", "it.codicefiscale", "us.ssn"}
"""stdnum does not know them with spaces."""
_FORMS = tuple(re.compile(rf"(?i)(?<![\w\-/+])(?<!\d\.)(?:{one.form})(?![\w]|[.\-/]\w)") for one in _IDS)
_CUES = tuple(re.compile(rf"(?i){one.cue}") for one in _IDS)


def national_ids(text: str) -> Iterator[Found]:
    """Ids of persons of twenty countries; the US and British ones have no check digit and are known by their form."""
    for one, form, cue in zip(_IDS, _FORMS, _CUES, strict=True):
        for match in form.finditer(text):
            if one.cue and not cue.search(before(text, match.start())):
                continue
            if not one.cue and is_reference(text, match.start()):
                continue
            if _is_valid(one.module, match.group()):
                yield Found(Kind.NATIONAL_ID, match.start(), match.end())


@lru_cache(maxsize=4096)
def _is_valid(module: str, value: str) -> bool:
    if not module:
        return True
    compact = re.sub(r"[ .]", "", value) if module in _UNSPACED else value
    return bool(import_module(f"stdnum.{module}").is_valid(compact.upper()))
