"""Checks: what can be found out about an answer by looking at it.

Each check is a function of texts, never raises for any of them, takes time linear in their length, and returns a
`Check`. The detail of a failed one is one line that a model asked again can act on; it quotes at most three values.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import regex  # type: ignore[import-untyped]

from pipeline.text.languages import is_language, language_name
from pipeline.text.spans import Kind, Span, canonical, find_spans, invented, lost
from schemas.results import Check

_MAX_QUOTED = 3
_MAX_QUOTE_CHARS = 60
_MAX_WORD_CHARS = 200
"""What is longer is looked for as it stands: it is no word, and looking for its borders could take long."""


def kept_placeholders(source: str, output: str) -> Check:
    """Fails when a placeholder or tag of the source is missing or another one appears."""
    return _kept("placeholders", "placeholders or tags", source, output, {Kind.PLACEHOLDER, Kind.TAG})


def kept_urls(source: str, output: str) -> Check:
    """Fails when a URL of the source is missing or another one appears."""
    return _kept("urls", "URLs", source, output, {Kind.URL})


def kept_emails(source: str, output: str) -> Check:
    """Fails when an e-mail address of the source is missing or another one appears."""
    return _kept("emails", "e-mail addresses", source, output, {Kind.EMAIL})


def kept_numbers(source: str, output: str) -> Check:
    """Fails when a number of the source is missing or another one appears; "1,5" and "1.5" are one number."""
    return _kept("numbers", "numbers", source, output, {Kind.NUMBER})


def kept_code(source: str, output: str) -> Check:
    """Fails when code of the source is missing; an answer may set more of its words as code."""
    return _kept("code", "code", source, output, {Kind.CODE}, may_add=True)


def kept_emoji(source: str, output: str) -> Check:
    """Fails when an emoji of the source is missing; an answer may have more."""
    return _kept("emoji", "emoji", source, output, {Kind.EMOJI}, may_add=True)


def _kept(name: str, what: str, source: str, output: str, kinds: Collection[Kind], may_add: bool = False) -> Check:
    missing = lost(source, output, kinds)
    added = [] if may_add else invented(source, output, kinds)
    problems = []
    if missing:
        problems.append(f"{what} of the source are missing: {_quote(missing)}")
    if added:
        problems.append(f"{what} that the source does not have must go: {_quote(added)}")
    return _check(name, "; ".join(problems))


def in_language(output: str, code: str) -> Check:
    """Fails when the answer is surely in another language; short or ambiguous answers pass (`is_language`).

    Raises:
        ValueError: for a language that `languages.normal_code` does not know.
    """
    is_wrong = is_language(output, code) is False
    return _check("language", f"the answer is not in {language_name(code)}; write it in that language" * is_wrong)


# Copies, lengths and loops

_MIN_COPY_LETTERS = 12
_MIN_COPY_LETTERS_DENSE = 6
_MIN_COPY_WORDS = 3
_MIN_COPY_LOWER_WORDS = 2
_MIN_COPY_TITLE_WORDS = 8
_COPY_SHARE = 0.9

_DENSE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_DENSE_CHAR = regex.compile(rf"[{_DENSE}]")
_DENSITIES = ((regex.compile(r"[\p{Han}]"), 3.0), (regex.compile(r"[\p{Hiragana}\p{Katakana}\p{Hangul}]"), 2.0))
_UNSPACED_CHAR = regex.compile(rf"[{_UNSPACED}]")
_GLUED_CHAR = regex.compile(rf"[{_UNSPACED}\p{{Hangul}}]")  # Hangul has spaces, but its particles are part of words
_BORDERED = regex.compile(rf"[\w--[{_UNSPACED}\p{{Hangul}}]]", regex.V1)
_IN_WORD = rf"[\p{{L}}\p{{N}}\p{{M}}--[{_UNSPACED}]]"
_WORD = regex.compile(rf"{_IN_WORD}++(?:['’\-.,]{_IN_WORD}++)*+", regex.V1)
_LETTERS_AND_DIGITS = regex.compile(r"[\p{L}\p{N}\p{M}]++")


def not_copied(source: str, output: str, same_language_expected: bool = False) -> Check:
    """Fails when the answer is the source again, up to case, spaces, punctuation and one word in ten.

    What a translation leaves as it is does not count: spans, and texts that may be all names (one or two words, fewer
    than 12 letters, or hardly a word in lower case). With `same_language_expected` every answer passes.
    """
    prose = _without_spans(source)
    is_copy = not same_language_expected and _is_prose(prose) and _overlap(prose, _without_spans(output)) >= _COPY_SHARE
    return _check("not_copied", "the answer repeats the source; write it anew as asked" * is_copy)


def _is_prose(text: str) -> bool:
    if len(_DENSE_CHAR.findall(text)) >= _MIN_COPY_LETTERS_DENSE:
        return True
    words = [word for word in _WORD.findall(text.lower() if text.isupper() else text) if not word[0].isdigit()]
    has_prose = sum(word[0].islower() or not _is_cased(word) for word in words) >= _MIN_COPY_LOWER_WORDS
    return (
        len(words) >= _MIN_COPY_WORDS
        and sum(map(len, words)) >= _MIN_COPY_LETTERS
        and (has_prose or len(words) >= _MIN_COPY_TITLE_WORDS)
    )


def _is_cased(word: str) -> bool:
    return word.lower() != word.upper()


def _overlap(one: str, other: str) -> float:
    """Share of the words of both that they have in common; of characters in scripts without spaces."""
    ones, others = (Counter(_units(text.casefold())) for text in (one, other))
    total = ones.total() + others.total()
    return 2 * (ones & others).total() / total if total else 0.0


def _units(text: str) -> list[str]:
    return [*_WORD.findall(text), *_UNSPACED_CHAR.findall(text)]


def _without_spans(text: str) -> str:
    parts, position = [], 0
    for span in find_spans(text):
        parts.append(text[position : span.start])
        position = span.end
    return " ".join((*parts, text[position:]))


_LENGTH_SLACK = 12


def length_ratio(source: str, output: str, low: float = 0.33, high: float = 3.0) -> Check:
    """Fails when the answer is shorter than `low` or longer than `high` times the source, give or take 12 characters.

    A Han character counts three, a kana or Hangul two, because that is about what they stand for. An empty answer
    fails for every source that is not empty.
    """
    of_source, of_output = _weighted_length(source), _weighted_length(output)
    problem = ""
    if of_source and not of_output:
        problem = "the answer is empty"
    elif of_output < low * of_source - _LENGTH_SLACK:
        problem = (
            f"the answer is too short for its source ({len(output)} for {len(source)} characters); leave nothing out"
        )
    elif of_output > high * of_source + _LENGTH_SLACK:
        problem = f"the answer is too long for its source ({len(output)} for {len(source)} characters); add nothing"
    return _check("length_ratio", problem)


def _weighted_length(text: str) -> float:
    text = text.strip()
    return len(text) + sum((weight - 1) * len(script.findall(text)) for script, weight in _DENSITIES)


_LOOP_TAIL_CHARS = 20_000
_MIN_LOOP_CHARS = 24
_MIN_LOOP_CHARS_DENSE = 12
_LOOP = re.compile(r"(?s)(\w)\1{19,}|(\S.{1,59}?)\2{5,}")
_SENTENCE_END = re.compile(r"[\n.!?。！？]+")
_MIN_SENTENCE_CHARS = 15
_MAX_SENTENCE_REPEATS = 3
_LOOP_SENTENCE_SHARE = 0.4
_MIN_COMPRESSED_CHARS = 1000
_LOOP_COMPRESSION = 8.0


def no_loop(output: str, source: str = "") -> Check:
    """Fails when the answer repeats itself as a stuck model does; passes when the source repeats itself likewise.

    A loop is one of: a character 20 times or a word or phrase of up to 60 characters six times in a row; a sentence or
    line four times that makes up 40 % of the text; a text of 1000 characters that zlib makes eight times smaller
    (prose: 2 to 3 times). Runs in a row are looked for in the last 20 000 characters, where a loop would still go on.
    """
    for find in (_run, _repeated_sentence, _compressed):
        if (repeated := find(output)) and not find(source):
            return _check("no_loop", f"the answer repeats itself ({_quote([repeated])}); say each thing once")
    return _check("no_loop", "")


def _run(text: str) -> str:
    for match in _LOOP.finditer(text[-_LOOP_TAIL_CHARS:]):
        run, unit = match.group(), match[1] or match[2]
        least = _MIN_LOOP_CHARS_DENSE if _DENSE_CHAR.search(unit) else _MIN_LOOP_CHARS
        if match[1] or (len(run) >= least and any(map(str.isalnum, unit))):
            return unit.strip() or unit
    return ""


def _repeated_sentence(text: str) -> str:
    sentences = Counter(" ".join(part.split()).casefold() for part in _SENTENCE_END.split(text))
    for sentence, times in sentences.most_common():
        if times <= _MAX_SENTENCE_REPEATS:
            return ""
        if len(sentence) >= _MIN_SENTENCE_CHARS and times * len(sentence) >= _LOOP_SENTENCE_SHARE * len(text):
            return sentence
    return ""


def _compressed(text: str) -> str:
    if len(text) < _MIN_COMPRESSED_CHARS:
        return ""
    data = text.encode("utf-8", "replace")
    return text[-_MAX_QUOTE_CHARS:] if len(data) > _LOOP_COMPRESSION * len(zlib.compress(data)) else ""


def length_words(output: str, low: int | None, high: int | None) -> Check:
    """Fails when the answer has fewer than `low` or more than `high` words.

    A word is a run of letters and digits, with what joins them ("don't", "well-known", "3.5"). In scripts without
    spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) two characters count as one word.
    """
    count = len(_WORD.findall(output)) + (len(_UNSPACED_CHAR.findall(output)) + 1) // 2
    problem = ""
    if low is not None and count < low:
        problem = f"the answer has {count} words; write at least {low}"
    elif high is not None and count > high:
        problem = f"the answer has {count} words; write at most {high}"
    return _check("length", problem)


# Words


def required_words(output: str, words: Iterable[str]) -> Check:
    """Fails when a word or phrase is missing; case does not matter, and a plural in -s or -es will do.

    A word stands alone, except in scripts without spaces.
    """
    text = _folded(output)
    missing = [word for word in words if _folded(word) and not _has_word(text, _folded(word), plural=True)]
    return _check("required_words", f"these words are missing, use them: {_quote(missing)}" if missing else "")


def forbidden_words(output: str, words: Iterable[str]) -> Check:
    """Fails when a word or phrase is there, exactly so up to case; "can" does not forbid "cannot"."""
    text = _folded(output)
    used = [word for word in words if _folded(word) and _has_word(text, _folded(word), plural=False)]
    return _check("forbidden_words", f"these words must not be used: {_quote(used)}" if used else "")


def _has_word(text: str, word: str, plural: bool) -> bool:
    if _GLUED_CHAR.search(word) or len(word) > _MAX_WORD_CHARS:
        return word in text
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        endings = ("", "s", "es") if plural and word[-1].isalnum() else ("",)
        ends = [end + len(ending) for ending in endings if text.startswith(ending, end)]
        if _is_border(text, start) and any(_is_border(text, end) for end in ends):
            return True
        start = text.find(word, start + 1)
    return False


def _is_border(text: str, index: int) -> bool:
    """Whether no word of a script with spaces goes on across the index."""
    return not (_BORDERED.match(text, index) and _BORDERED.match(text, index - 1)) if index > 0 else True


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("’", "'").split())


# Facts

_LIST_MARK = re.compile(r"(?m)^[^\S\n]*+(\d{1,2})[.)](?=\s)")
_RANK = re.compile(r"#1(?!\d)")
_NUMBER_WORDS = {
    word: value
    for value, words in enumerate(
        (
            "one un una uno une ein eine einen einem einer um uma een één",
            "two dos deux zwei due dois duas twee",
            "three tres trois drei tre três drie",
            "four cuatro quatre vier quattro quatro",
            "five cinco cinq fünf cinque vijf",
            "six seis sechs sei zes",
            "seven siete sept sieben sette sete zeven",
            "eight ocho huit acht otto oito",
            "nine nueve neuf neun nove negen",
            "ten diez dix zehn dieci dez tien",
            "eleven once onze elf undici",
            "twelve doce douze zwölf dodici doze twaalf",
        ),
        start=1,
    )
    for word in words.split()
}


def numbers_from(output: str, *sources: str) -> Check:
    """Fails when a number of the answer is in none of the sources.

    No facts are: the marks of a list that counts up from 1, and "#1". A number may be a word in the source (one to
    twelve, in seven languages) or part of a longer one there; numbers written as words in the answer are not looked at.
    """
    known = {canonical(span) for source in sources for span in find_spans(source, {Kind.NUMBER})}
    known.update(str(int(digits)) for source in sources for digits in re.findall(r"\d{1,40}", source))
    known.update(str(_NUMBER_WORDS.get(word, "")) for source in sources for word in _WORD.findall(source.casefold()))
    spans = find_spans(_RANK.sub("", _without_list_marks(output)), {Kind.NUMBER})
    new = list(dict.fromkeys(span.value for span in spans if canonical(span) not in known))
    return _check("numbers", f"these numbers are not in what was given, leave them out: {_quote(new)}" if new else "")


def _without_list_marks(text: str) -> str:
    expected = 1

    def blank(mark: re.Match[str]) -> str:
        nonlocal expected
        number = int(mark[1])
        if number not in (1, expected):
            return mark.group()
        expected = number + 1
        return ""

    return _LIST_MARK.sub(blank, text)


# Promises

_NUM = r"\d++(?:[.,'\u00a0\u202f]\d++|[ ]\d{3}(?!\d)){0,6}+"
_ARTICLES = frozenset(["un", "una", "uno", "une", "ein", "eine", "einen", "einem", "einer", "um", "uma", "een", "één"])
_COUNT = "|".join((_NUM, *sorted(_NUMBER_WORDS.keys() - _ARTICLES, key=len, reverse=True)))
_CURRENCIES = {
    "EUR": r"€|eur\b|euros?\b",
    "USD": r"us\$|\$|usd\b|dollars?\b|dólares\b|dollari\b",
    "GBP": r"£|gbp\b|pounds\b|libras\b",
    "JPY": r"¥|jpy\b|yen\b",
    "INR": r"₹|inr\b|rupees\b",
    "CHF": r"chf\b",
    "PLN": r"pln\b|zł",
    "BRL": r"r\$|brl\b|reais\b",
}
_CURRENCY = "|".join(_CURRENCIES.values())
_UNITS = {
    "minute": r"min\b|minut\w*|minuti\b|minuten\b",
    "hour": r"hours?|hrs?|h|horas?|heures?|stunden?|or[ae]|uur|uren",
    "day": r"days?|días?|dias?|jours?|journées?|tage?n?|tägig\w*|giorn[io]|dag(?:en)?",
    "business day": r"werktage?n?|arbeitstage?n?|werkdag(?:en)?",
    "week": r"weeks?|semanas?|semaines?|wochen?|wöchig\w*|settiman[ae]|we(?:ek|ken)",
    "month": r"months?|mes(?:es)?|mois|monate?n?|mes[ei]|mês|maand(?:en)?",
    "year": r"years?|años?|ans?|années?|jahre?n?|ann[io]|anos?|jaar|jaren",
}
_UNIT = "|".join(_UNITS.values())
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january enero janvier januar jänner gennaio janeiro",
            "february febrero février fevrier februar febbraio fevereiro",
            "march marzo mars märz março",
            "april abril avril aprile",
            "may mayo mai maggio maio",
            "june junio juin juni giugno junho",
            "july julio juillet juli luglio julho",
            "august agosto août aout",
            "september septiembre setiembre septembre settembre setembro",
            "october octubre octobre oktober ottobre outubro",
            "november noviembre novembre",
            "december diciembre décembre decembre dezember dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday lunes lundi montag lunedì segunda-feira",
            "tuesday martes mardi dienstag martedì terça-feira",
            "wednesday miércoles mercredi mittwoch mercoledì quarta-feira",
            "thursday jueves jeudi donnerstag giovedì quinta-feira",
            "friday viernes vendredi freitag venerdì sexta-feira",
            "saturday sábado samedi samstag sabato",
            "sunday domingo dimanche sonntag domenica",
        )
    )
    for name in names.split()
}

_MONEY = re.compile(rf"(?<!\w)(?:({_CURRENCY})\s?({_NUM})|({_NUM})\s?({_CURRENCY}))")
_PERCENT = re.compile(
    rf"(?<![\w.,])({_NUM})\s?(?:%|per ?cent\b|por ciento\b|pour ?cent\b|prozent\b|p[eo]r cento\b|procent\b)"
)
_DURATION = re.compile(
    rf"(?<![\w.,])({_COUNT})(?:\s?(?:-|–|to|a|à|bis|o|or|tot)\s?({_COUNT}))?[\s\-]{{0,2}}"
    rf"(?:(?:business|working|calendar|full|other)\s)?({_UNIT})(?!\w)"
)
_ISO_DATE = re.compile(r"(?<!\d)\d{4}-(\d{1,2})-(\d{1,2})(?!\d)")
_NUMERIC_DATE = re.compile(r"(?<![\d./\-])(\d{1,2})([./\-])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)")
_DAY_MONTH = re.compile(rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|er|º|°|\.)?\s(?:de\s|of\s)?({_MONTH})(?!\w)")
_MONTH_DAY = re.compile(rf"(?<!\w)({_MONTH})\s(\d{{1,2}})(?:st|nd|rd|th)?(?![\d.,]?\d)")
_MONTH_YEAR = re.compile(rf"(?<!\w)({_MONTH})\s(?:de\s|of\s)?(\d{{4}})(?!\d)")
_WEEKDAY = re.compile(rf"(?<!\w)({'|'.join(_WEEKDAYS)})s?(?!\w)")

_PROMISES = {
    "a refund": r"refund\w*|reimburs\w*|money[ -]back|reembols\w*|rembours\w*|(?:rück)?erstatt\w*|rückzahl\w*"
    r"|(?:devoluci[oó]n|devolução) d(?:el?|o) (?:dinero|importe|dinheiro|valor)|geld (?:zurück|terug)|rimbors\w*"
    r"|terugbeta\w*|restitutie",
    "a discount": r"discount\w*|descuent\w*|rebaja\w*|remises?|rabais|ristournes?|réductions?|rabatt\w*|preisnachl\w*"
    r"|nachlass|scont[oi]|scontat\w*|descontos?|kortingen?|korting",
    "a replacement": r"replac\w*|reemplaz\w*|reposici[oó]n|sustitu\w*|remplac\w*|ersatz\w*|ersetz\w*|umtausch\w*"
    r"|austausch\w*|sostitu\w*|substitu\w*|reposição|vervang\w*",
    "a voucher": r"vouchers?|coupons?|gift cards?|promo codes?|cup[oó]n(?:es)?|tarjetas? regalo|cheques? regalo"
    r"|bons? d'achat|(?:chèques?|cartes?)[- ]cadeaux?|\w*gutschein\w*|buon[oi] (?:sconto|regalo|acquisto|spesa)"
    r"|cup(?:om|ão|ons)|vales?[- ](?:presente|compras?|desconto)|(?:tegoed|cadeau|waarde)bon(?:nen)?|kortingscodes?",
    "a compensation": r"[ck]ompens\w*|indemni[zs]\w*|indeniz\w*|dédommag\w*|entschädig\w*|wiedergutmach\w*|risarci\w*"
    r"|indennizz\w*|vergoed\w*|schadeloos\w*",
    "something free": r"free of charge|for free|at no (?:extra |additional )?(?:cost|charge)|complimentary"
    r"|free (?:shipping|delivery|returns?|replacement|repair|gift|item|product|upgrade)|gr[aá]tis|gratuit\w*"
    r"|sin (?:ningún )?(?:cost[eo]|cargo)|sans frais|kostenlos\w*|kostenfrei\w*|unentgeltlich\w*|kosteloos|kosteloze"
    r"|sem (?:nenhum )?custos?",
    "a credit": r"credit(?:s|ed)?(?! card)|(?<!de )crédit[os]?s?|gutschrift\w*|gutgeschrieben"
    r"|(?<!di )credit[oi]|accredit\w*|\w*tegoed",
}
_PROMISE = {concept: re.compile(rf"(?<!\w)(?:{words})(?!\w)") for concept, words in _PROMISES.items()}

_Mention = tuple[str, frozenset[tuple[str, ...]]]
"""How the text says it, and what it may mean."""


def amounts_from(output: str, *sources: str) -> Check:
    """Fails when the answer promises what no source does: an amount, a time or a benefit.

    Amounts of money and percentages, durations and dates must occur in a source with the same number and unit, in any
    of seven languages and any spelling ("12 March" for "2026-03-12"). Benefits are concepts (a refund, a discount, a
    replacement, a voucher, compensation, something free, a credit) that a source must mention at least.

    Who mentions also denies: "we cannot offer a refund" fails where no source speaks of refunds. Not looked at: "24
    hours" for "one day", "a week", "tomorrow", amounts written as words, and whose promise it is.
    """
    known = {meaning for source in sources for _, meanings in _mentions(source) for meaning in meanings}
    new = [words for words, meanings in _mentions(output) if not meanings & known]
    problem = f"what was given does not promise {_quote(list(dict.fromkeys(new)))}; leave it out" if new else ""
    return _check("promises", problem)


def _mentions(text: str) -> list[_Mention]:
    text = _folded(text)
    found = [*_moneys(text), *_percentages(text), *_durations(text), *_dates(text)]
    for concept, pattern in _PROMISE.items():
        if match := pattern.search(text):
            found.append((match.group(), frozenset({("promise", concept)})))
    return found


def _moneys(text: str) -> Iterable[_Mention]:
    for match in _MONEY.finditer(text):
        symbol, value = match[1] or match[4], match[2] or match[3]
        currency = next(code for code, pattern in _CURRENCIES.items() if re.match(pattern, symbol))
        yield match.group(), frozenset({("money", currency, _value(value))})


def _percentages(text: str) -> Iterable[_Mention]:
    for match in _PERCENT.finditer(text):
        yield match.group(), frozenset({("percent", _value(match[1]))})


def _durations(text: str) -> Iterable[_Mention]:
    """A range is its two ends, and a business day a day: a source's "3–5 business days" allows "5 days"."""
    for match in _DURATION.finditer(text):
        unit = next(name for name, pattern in _UNITS.items() if re.fullmatch(pattern, match[3]))
        for number in filter(None, (match[1], match[2])):
            yield match.group(), frozenset({("duration", _value(number), unit.removeprefix("business "))})


def _dates(text: str) -> Iterable[_Mention]:
    for match in _ISO_DATE.finditer(text):
        yield match.group(), frozenset({_date(match[1], match[2])})
    for match in _NUMERIC_DATE.finditer(text):  # day first or month first: either will do
        yield match.group(), frozenset({_date(match[1], match[3]), _date(match[3], match[1])})
    for match in _DAY_MONTH.finditer(text):
        yield match.group(), frozenset({_date(_MONTHS[match[2]], match[1])})
    for match in _MONTH_DAY.finditer(text):
        yield match.group(), frozenset({_date(_MONTHS[match[1]], match[2])})
    for match in _MONTH_YEAR.finditer(text):
        yield match.group(), frozenset({("month", str(_MONTHS[match[1]]), match[2])})
    for match in _WEEKDAY.finditer(text):
        yield match.group(), frozenset({("weekday", str(_WEEKDAYS[match[1]]))})


def _date(month: int | str, day: int | str) -> tuple[str, ...]:
    return "date", str(int(month)), str(int(day))


def _value(number: str) -> str:
    if number in _NUMBER_WORDS:
        return str(_NUMBER_WORDS[number])
    return canonical(Span(Kind.NUMBER, 0, len(number), number))


# Leftovers

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
    return _check("no_leftovers", f"give the finished text only, without {_quote(found)}" if found else "")


# Personal data

_PHONE = re.compile(r"(?<![\w#+])\+?\(?\d(?:[ ().\-/\u00a0]{0,2}\d){6,24}(?!\w)")
_PHONE_WORD = re.compile(
    r"(?i)(?<!\w)(?:phone|call|tel|mobile|cell|whatsapp|móvil|movil|llam|appel|portable|handy|cellulare)"
)
_REFERENCE = re.compile(
    r"(?i)(?:order|pedido|commande|bestell|ordine|encomenda|invoice|factura|facture|rechnung|fattura|ref|ticket"
    r"|tracking|case|serial|sku|isbn)\w*(?:[ .]{1,2}(?:number|no|nr|núm|num|n|id|is|es|est|ist)){0,3}\W{0,4}\Z"
)
_DATE_LIKE = re.compile(r"\d{4}[-./ ]\d{1,2}[-./ ]\d{1,2}(?!\d)|\d{1,2}[-./]\d{1,2}[-./]\d{4}(?!\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_STREET_WORDS = r"(?:[\w'’.\-]{1,30} )"
_ADDRESS = re.compile(
    r"(?i)(?<!\w)(?:"
    rf"\d{{1,5}}[a-z]? {_STREET_WORDS}{{1,4}}(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct)"
    rf"|\d{{1,5}}(?: bis)?,? (?:rue|avenue|boulevard|place|chemin|allée) {_STREET_WORDS}{{0,4}}[\w'’.\-]{{2,30}}"
    rf"|(?:calle|avenida|plaza|paseo|via|viale|piazza|corso|rua|travessa) {_STREET_WORDS}{{0,4}}"
    r"[\w'’.\-]{2,30},? (?:n[.º°o]{0,2} ?)?\d{1,5}"
    r"|[^\W\d_]{2,30}(?:straße|strasse|str\.|weg|platz|allee|gasse|straat|laan|plein) \d{1,5}[a-z]?"
    r")(?!\w)"
)
_TAIL_DIGITS = 9
_MIN_CARD_DIGITS = 13
_MAX_CARD_DIGITS = 19


def no_personal_data(output: str, message: str, context: str = "") -> Check:
    """Fails when the answer repeats the customer's e-mail, phone, card or account number or street address.

    However it is written: "+34 612 345 678" repeats "612345678". What `context` has too may be repeated, and so may
    order numbers. A phone number is seen by its separators, a leading "+" or a word such as "call" before it; a card
    number and an IBAN by their check digits; an address by the word for a street, in seven languages.

    The detail shows no more of the values than their ends.
    """
    said, known = _searchable(output), _searchable(context)
    repeated = [
        f"{kind} {_masked(value)}"
        for kind, value, key in _personal_data(message)
        if any(key in form for form in said) and not any(key in form for form in known)
    ]
    problem = f"do not repeat the customer's {_quote(list(dict.fromkeys(repeated)), mark='')}" if repeated else ""
    return _check("personal_data", problem)


def _personal_data(message: str) -> Iterable[tuple[str, str, str]]:
    """Kind, value, and what of the value to look for."""
    for span in find_spans(message, {Kind.EMAIL}):
        yield "e-mail address", span.value, span.value.casefold()
    for match in _IBAN.finditer(message):
        if _is_iban(compact := _compact(match.group())):
            yield "account number", match.group(), compact
    for match in _PHONE.finditer(message):
        digits = _digits(match.group())
        if _MIN_CARD_DIGITS <= len(digits) <= _MAX_CARD_DIGITS and _is_card(digits):
            yield "card number", match.group(), digits
        elif _is_phone(match, message):
            yield "phone number", match.group(), digits[-_TAIL_DIGITS:]
    for match in _ADDRESS.finditer(message):
        yield "address", match.group(), _compact(match.group())


def _is_phone(match: re.Match[str], message: str) -> bool:
    value, before = match.group(), message[max(0, match.start() - 30) : match.start()]
    if len(_digits(value)) > 15 or _DATE_LIKE.match(value) or _REFERENCE.search(before):
        return False
    return not value.isdigit() or _PHONE_WORD.search(before) is not None


def _is_card(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _is_iban(compact: str) -> bool:
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _searchable(text: str) -> tuple[str, ...]:
    """The text as written, its digits, and its letters and digits, without what separates them."""
    digits = "\n".join(_digits(match.group()) for match in re.finditer(r"\d(?:[ ().\-/\u00a0]{0,2}\d)*+", text))
    return _folded(text), digits, _compact(text)


def _digits(text: str) -> str:
    return "".join(str(int(char)) for char in text if char.isdecimal())


def _compact(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _masked(value: str) -> str:
    value = value.strip()
    return f"{value[:2]}…{value[-2:]}"


# Several answers


def distinct(outputs: Sequence[str]) -> list[int]:
    """Indices of the outputs that are equal to an earlier one up to case, spaces and punctuation."""
    seen: set[str] = set()
    repeats = []
    for index, output in enumerate(outputs):
        folded = unicodedata.normalize("NFKC", output).casefold()
        key = " ".join(_LETTERS_AND_DIGITS.findall(folded)) or " ".join(folded.split())
        if key in seen:
            repeats.append(index)
        seen.add(key)
    return repeats


# Verdicts


def _check(name: str, problem: str) -> Check:
    return Check(name=name, passed=not problem, detail=problem or None)


def _quote(values: Sequence[str], mark: str = "'") -> str:
    """At most three values on one line, each cut, without what cannot be printed."""
    shown = ", ".join(f"{mark}{_one_line(value)}{mark}" for value in values[:_MAX_QUOTED])
    more = len(values) - _MAX_QUOTED
    return f"{shown} and {more} more" if more > 0 else shown


def _one_line(value: str) -> str:
    """Without line breaks, characters of no shape and lone surrogates; joiners within emoji stay."""
    line = " ".join(value[: 4 * _MAX_QUOTE_CHARS].split())
    line = "".join(char for char in line if char == "\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
    return line if len(line) <= _MAX_QUOTE_CHARS else line[: _MAX_QUOTE_CHARS - 1] + "…"
