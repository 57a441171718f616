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
    r"|e-?mail(?! address)|version|draft|result|traducción|respuesta|traduction|réponse|übersetzung|antwort|traduzione"
    r"|risposta|tradução|resposta|vertaling|antwoord"
)
_YES = (
    r"(?:¡?(?:sure|certainly|of course|absolutely|claro|por supuesto|bien sûr|natürlich|gerne|certo|certamente"
    r"|com certeza|natuurlijk)[,.! ]{1,4})?"
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
        r"(?i)as an? (?:ai|artificial intelligence)(?: [\w\-]+){0,4},? (?:i|my)\b|i(?:'|’| a)m an ai\b"
        r"|as an? (?:ai |large )?language model\b|como (?:um |un )?modelo de (?:lenguaje|linguagem)\b"
        r"|como (?:una? |uma )?(?:ia|inteligencia artificial|inteligência artificial),"
        r"|en tant qu(?:e |'|’)(?:ia|modèle de langage)\b|als sprachmodell\b"
        r"|als ki(?:-\w+)?,? (?:bin|darf|habe|kann|könnte|möchte) ich\b|come modello linguistico\b"
    ),
    re.compile(
        rf"(?i)\A\s*(?:sure|certainly|of course|absolutely)[,.! ]{{1,3}}here(?:'s|’s| is| are) (?:the|your|an?|my) "
        rf"(?:[^\s:]+ ){{0,4}}?(?:{_ANSWERS}|text|post|tweet|caption|headline)(?!\w)[^\n:]{{0,40}}:?"
    ),
    re.compile(
        rf"(?i)\A\s*{_YES}here(?:'s|’s| is| are) (?:the|your|an?|my) [^\n:]{{0,40}}?(?:{_ANSWERS})\b[^\n:]{{0,40}}:"
    ),
    re.compile(
        rf"(?i)\A\s*{_YES}(?:aquí (?:está|tienes?)|voici|hier ist|ecco|aqui está|hier is) "
        rf"[^\n:]{{0,30}}?(?:{_ANSWERS})\b[^\n:]{{0,40}}:"
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
