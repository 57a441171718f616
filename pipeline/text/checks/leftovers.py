"""What an answer must not hold, whatever it is about: blanks, notes, the model speaking of itself."""

import re

from pipeline.text.checks.verdict import quote, verdict
from schemas.results import Check

_BLANK = (
    r"your|insert|enter|add|company|customer|client|recipient|sender|agent|name|first name|last name|date|product|brand"
    r"|address|phone|email|e-mail|order|link|url|signature|title|position|number|price|placeholder"
    r"|tu|su|nombre|empresa|fecha|producto|votre|nom|prénom|entreprise|produit|ihr|ihre|dein|deine|firma|datum|produkt"
    r"|nome|azienda|data|prodotto|seu|sua|produto|uw|naam|bedrijf"
)
_ANSWERS = (
    r"translation|translated text|reply|response|answer|rewritten|revised|summary|product description|description"
    r"|email|e-mail|version|draft|result|traducción|respuesta|traduction|réponse|übersetzung|antwort|traduzione|risposta"
    r"|tradução|resposta|vertaling|antwoord"
)
_LEFTOVERS = (
    re.compile(rf"(?i)\[(?:{_BLANK})(?!\w)[^\[\]\n]{{0,60}}\](?!\()"),
    re.compile(r"(?i)<(?:insert|your|enter|company|customer|name of)(?!\w)[^<>\n]{0,60}>"),
    re.compile(r"\{\{[^{}\n]{0,60}\}\}|\$?\{[A-Za-z_][\w .\-]{0,59}\}"),
    re.compile(r"(?<!\w)XXX(?!\w)"),
    re.compile(r"(?m)(?<!\w)(?:TODO|TBD|FIXME)(?=\s*[:(\]]|\s(?:add|insert|write|fill|check|replace|translate)\b)"),
    re.compile(r"(?m)^[^\S\n]*+(?:TODO|TBD|FIXME)[^\S\n]*+$"),
    re.compile(r"(?i)lorem ipsum"),
    re.compile(
        r"(?i)as an? (?:ai|artificial intelligence|(?:large )?language model)\b[^.\n]{0,30}|i(?:'|’| a)m an ai\b"
        r"|como (?:modelo de lenguaje|modelo de linguagem|una? ia)\b|en tant qu(?:e |'|’)(?:ia|modèle de langage)\b"
        r"|als (?:ki|sprachmodell)\b|come modello linguistico\b"
    ),
    re.compile(r"(?i)\A\s*(?:sure|certainly|of course|absolutely)[,.! ]{1,3}here(?:'s|’s| is| are)\b[^\n:]{0,60}:?"),
    re.compile(rf"(?i)\A\s*here(?:'s|’s| is| are) (?:the|your|an?|my) [^\n:]{{0,40}}?(?:{_ANSWERS})\b[^\n:]{{0,40}}:"),
    re.compile(
        rf"(?i)\A\s*(?:aquí (?:está|tienes?)|voici|hier ist|ecco|aqui está|hier is) [^\n:]{{0,30}}?(?:{_ANSWERS})\b"
        r"[^\n:]{0,40}:"
    ),
    re.compile(r"(?is)\A\s*```(?=.*```\s*\Z)"),
    re.compile(r"<\|\w{1,30}\|>|<(?:start|end)_of_turn>|\[/?INST\]|</?think>"),
)


def no_leftovers(output: str, allowed: str = "") -> Check:
    """Fails when the answer holds what a person would not send.

    That is: blanks to fill in ("[Your Name]", "{product}", "XXX"), notes ("TODO: ..."), the model speaking of itself
    or of its answer ("Here is the translation:"), a fence around the whole, or a chat template's tokens. What `allowed`
    (a brief, a source) has too may stay.
    """
    may_stay = allowed.casefold()
    found = [
        match.group().strip()
        for pattern in _LEFTOVERS
        for match in pattern.finditer(output)
        if match.group().strip().casefold() not in may_stay
    ]
    return verdict("no_leftovers", f"give the finished text only, without {quote(found)}" if found else "")
