"""Names of persons: by the words around them, and by a given name with a surname behind it.

No model for it can be had from the package index alone, so these are rules: what is introduced, greeted, signed or
titled, in six languages. A name in passing whose given name is not on the list is not found.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from pipeline.text.personal.kinds import Found, Kind

_LETTERS = r"[^\W\d_]"
_UPPER = r"[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽ]"
_WORD = rf"(?:{_UPPER}['’]{_UPPER}?)?{_UPPER}{_LETTERS}*(?:[\-'’]{_LETTERS}+)*"
_PARTICLE = (
    r"(?:de la|de las|de los|von der|van der|van den|van de|dos|das|del|della|de|di|da|do|du|van|von|der|zu|le|la|al"
    r"|bin|y|e)"
)
_INITIAL = rf"{_UPPER}\."
_MORE = rf"(?:[ \u00a0](?:{_PARTICLE}[ \u00a0])?(?:{_INITIAL}|{_WORD}))"
_NAME = rf"(?P<name>{_WORD}{_MORE}{{0,4}})"
_FULL = rf"(?P<name>{_WORD}{_MORE}{{1,4}})(?!\w)"
_NOT_LOUD = rf"(?!{_UPPER}{{4}}|{_UPPER}+ {_UPPER}{{2}})"
"""As in "this is REALLY BAD"."""
_TITLE = (
    r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sr|Sra|Srta|Herr|Herrn|Frau|Mme|Mlle|Sig|Sig\.ra|Dott|Dott\.ssa|Dra|Ing)\.? )"
)
_GREETING = (
    r"Dear|Hi|Hello|Hey|Good (?:morning|afternoon|evening),?|Hola|Estimad[oa]|Querid[oa]|Apreciad[oa]|Buen(?:os|as) "
    r"(?:días|tardes|noches),?|Hallo|Liebe[r]?|Sehr geehrte[r]?|Guten (?:Tag|Morgen|Abend),?|Moin|Bonjour|Bonsoir|Salut"
    r"|Chère?|Ciao|Buongiorno|Buonasera|Salve|Gentile|Gent\.mo|Gent\.ma|Car[oa]|Egregio|Olá|Oi|Bom dia,?|Boa tarde,?"
    r"|Boa noite,?|Prezad[oa]|Exm[oa]\."
)
_SIGN = (
    r"(?:(?:With )?(?:best|kind|kindest|warm|warmest|many) )?(?:regards|wishes)|sincerely(?: yours)?|yours(?: (?:truly"
    r"|faithfully|sincerely))?|cheers|thanks(?: (?:a lot|again|in advance|so much))?|thank you|best|(?:un |muchos )?"
    r"(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|cordialmente|gracias(?: de antemano)?|un abrazo"
    r"|(?:mit )?(?:freundlichen?|besten?|vielen?|liebe[n]?|herzliche[n]?|schöne[n]?) gr(?:ü|ue)(?:ß|ss)(?:en?)?"
    r"|lg|vg|mfg"
    r"|gruß|grüße|hochachtungsvoll|(?:vielen )?dank(?: im voraus)?|danke|(?:bien )?cordialement|bien à vous|salutations"
    r"(?: distinguées)?|merci(?: d'avance)?|(?:cordiali|distinti|cari|tanti) saluti|saluti|cordialmente"
    r"|grazie(?: mille)?"
    r"|(?:com os )?(?:melhores )?cumprimentos|atenciosamente|abraços?|obrigad[oa]|um abraço"
)
_SIGN_WORDS = (
    "regards wishes sincerely yours cheers thanks thank best saludo saludos atentamente cordialmente gracias"
    " abrazo grüßen grüße gruß grüssen grüsse gruss gruessen gruesse lg vg mfg hochachtungsvoll dank danke"
    " cordialement bien salutations merci saluti grazie cumprimentos atenciosamente abraço abraços obrigado"
    " obrigada"
)
_PATTERNS = tuple(
    (words.split(), re.compile(pattern))
    for words, pattern in (
        (
            "name called",
            rf"(?<!\w)(?i:my (?:full )?name is|my name['’]s|the name is|i am called|name's) {_NAME}",
        ),
        (
            "llamo nombre heiße name appelle nom nomme chiamo nome chamo heet naam",
            rf"(?<!\w)(?i:me llamo|mi nombre(?: completo)? es|ich heiße|mein name ist|mein name lautet|je m['’]appelle"
            rf"|mon nom est|je me nomme|mi chiamo|il mio nome è|chamo-me|me chamo|meu nome é|ik heet|mijn naam is)"
            rf" {_NAME}",
        ),
        (
            "am m s c soy spricht bin suis sono è é sou this here hier ici",
            rf"(?<!\w)(?i:this is|it's|here is|i am|i'm|soy|hier ist|hier spricht|ich bin|je suis|ici|c'est|sono|qui è"
            rf"|sou o|sou a|aqui é o|aqui é a|sou) {_NOT_LOUD}{_FULL}(?=[ ]?(?:[,.!;:()\n]|\Z|(?:from|speaking|calling"
            rf"|here|and|but|writing|y|que|und|aus|von|et|qui|de|e|da|di)(?!\w)))",
        ),
        (
            _SIGN_WORDS,
            rf"(?m)^[ \t>\-–—*]{{0,8}}(?P<sign>(?i:{_SIGN}))[ \t]{{0,4}}[,.!:\-–—]{{0,3}}[ \t]{{0,4}}\n\s{{0,8}}"
            rf"[\-–—]{{0,3}}[ ]?{_TITLE}?{_NAME}[ \t]{{0,4}}[.,]?[ \t]{{0,4}}$",
        ),
        (
            _SIGN_WORDS,
            rf"(?:\A|[.!?\n,;][ \t]{{0,4}})(?P<sign>(?i:{_SIGN}))[ \t]{{0,4}}[,.!:\-–—]{{1,3}}[ \t]{{0,4}}"
            rf"{_TITLE}?{_NAME}[ \t]{{0,4}}[.]?[ \t]{{0,4}}(?:\Z|\n)",
        ),
        (
            "dear hi hello hey good hola estimado estimada querido querida apreciado apreciada buenos buenas"
            " hallo liebe lieber geehrte geehrter guten moin bonjour bonsoir salut cher chère ciao buongiorno"
            " buonasera salve gentile gent caro cara egregio olá oi bom boa prezado prezada exmo exma",
            rf"(?:\A|[.!?\n][ \t\n]{{0,4}})(?:{_GREETING}) (?!{_TITLE}){_NAME}[ ]?(?=[,!:.;\n–—-]|\Z)",
        ),
        (
            "mr mrs ms mx dr prof sr sra srta dra sig dott mme mlle m miss herr herrn frau señor señora doña"
            " monsieur madame signor signora senhor senhora don dona",
            rf"(?<!\w)(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof|Sr|Sra|Srta|Dra|Sig|Dott|Mme|Mlle|M)\.|Mr|Mrs|Ms|Miss|Dr|Herrn?|Frau"
            rf"|Señora?|Doña|Monsieur|Madame|Mme|Mlle|Signora?|Sig\.ra|Dott\.ssa|Senhora?|Don|Dona) "
            rf"(?:(?:Dr|Prof)\. )*{_NAME}",
        ),
        (
            "name nombre cliente titular kunde kundin vorname nachname nom prénom nome cognome ansprechpartner"
            " ansprechpartnerin contact contacto passenger guest",
            rf"(?<!\w)(?i:(?:full |customer |first |last |contact |account )?name|nombre(?: y apellidos| completo)?"
            rf"|cliente|titular|kunde|kundin|vorname|nachname|nom(?: complet)?|prénom|nome(?: completo)?|cognome"
            rf"|ansprechpartner(?:in)?|contact(?:o)?|passenger|guest) ?[:=] ?{_TITLE}?{_NAME}",
        ),
    )
)
"""Words one of which the text must have for the pattern to be tried, and the pattern."""

_TRIED_FOR = {
    word: {i for i, (words, _) in enumerate(_PATTERNS) if word in words} for words, _ in _PATTERNS for word in words
}
_WORDS = re.compile(r"\w+")

_GIVEN_NAME = re.compile(rf"(?<![\w@#]){_WORD}{_MORE}{{1,4}}(?!\w)")


def names(text: str) -> Iterator[Found]:
    """Names that are introduced, greeted, signed or titled, and known given names with a surname."""
    said = set(_WORDS.findall(text))
    refused = _words("not_names")
    tried = {word.lower() for word in said} & _TRIED_FOR.keys()
    for i in sorted(set().union(*(_TRIED_FOR[word] for word in tried))) if tried else ():
        for match in _PATTERNS[i][1].finditer(text):
            start, end = match.span("name")
            if match.groupdict().get("sign", "").isupper():
                end = _shouted(text, start, end)
            if found := _trimmed(text, start, end, refused):
                yield found
    if said & _words("given"):
        for match in _GIVEN_NAME.finditer(text):
            yield from _with_given_name(text, match.start(), match.end(), refused)


def _with_given_name(text: str, start: int, end: int, refused: frozenset[str]) -> Iterator[Found]:
    """Of some capitalised words, those from the first given name on, if there are two: "Ask Maria Rossi"."""
    given = _words("given")
    for word in re.finditer(_WORD, text[start:end]):
        if word.group().split("-")[0] in given:
            found = _trimmed(text, start + word.start(), _shouted(text, start + word.start(), end), refused)
            if found and any(char.isspace() for char in text[found.start : found.end]):
                yield found
            return


def _trimmed(text: str, start: int, end: int, refused: frozenset[str]) -> Found | None:
    """The name up to the first word that is none; None if that is the first."""
    for word in re.finditer(_WORD, text[start:end]):
        if word.group().capitalize() in refused:
            end = start + len(text[start : start + word.start()].rstrip())
            break
    return Found(Kind.NAME, start, end) if end - start > 1 else None


def _shouted(text: str, start: int, end: int) -> int:
    """Where the words before the first one in capital letters end, where those may be said loudly and be no name."""
    for word in re.finditer(_WORD, text[start:end]):
        if len(word.group()) > 3 and word.group().isupper():
            return start + len(text[start : start + word.start()].rstrip())
    return end


@cache
def _words(name: str) -> frozenset[str]:
    data = tomllib.loads((files("pipeline.text.personal") / "names.toml").read_text(encoding="utf-8"))
    return frozenset(data[name].split())
