"""Which language a text is in, and what languages are called. Offline and deterministic.

Two questions, two detectors. `detect` chooses among all of lingua's 75 languages and needs little memory for it.
`is_language` asks for one language against the few that a model falls back into, with lingua's full models: on short
texts they are the difference between a useful answer and none, and for so few languages they are affordable.

Source: measured with lingua-language-detector 2.1.1 (resident memory, first use, one short text, 1000 characters):
all languages, low accuracy 69 MB, 0.4 s, 0.08 ms, 0.7 ms; all, high accuracy 1046 MB, 9.3 s, 0.3 ms, 0.7 ms;
32 languages, high accuracy 596 MB, 4.7 s; preloading adds 20 % memory and no speed. As built, `detect` takes 69 MB and
`is_language` 190 MB and 1 s for the Latin alphabet; each further language or alphabet asked for adds 20 to 40 MB.
"""

import difflib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

import lingua
import regex  # type: ignore[import-untyped]

from pipeline.text.spans import find_spans

_NAMES = {
    "af": ("Afrikaans",),
    "am": ("Amharic", "አማርኛ"),
    "ar": ("Arabic", "العربية"),
    "az": ("Azerbaijani", "azərbaycan dili", "azərbaycanca"),
    "be": ("Belarusian", "беларуская"),
    "bg": ("Bulgarian", "български"),
    "bn": ("Bengali", "Bangla", "বাংলা"),
    "bs": ("Bosnian", "bosanski"),
    "ca": ("Catalan", "català", "Valencian", "valencià"),
    "cs": ("Czech", "čeština"),
    "cy": ("Welsh", "Cymraeg"),
    "da": ("Danish", "dansk"),
    "de": ("German", "Deutsch"),
    "el": ("Greek", "ελληνικά"),
    "en": ("English",),
    "eo": ("Esperanto",),
    "es": ("Spanish", "español", "Castilian", "castellano"),
    "et": ("Estonian", "eesti"),
    "eu": ("Basque", "euskara"),
    "fa": ("Persian", "Farsi", "فارسی"),
    "fi": ("Finnish", "suomi"),
    "fr": ("French", "français"),
    "ga": ("Irish", "Gaeilge"),
    "gl": ("Galician", "galego"),
    "gu": ("Gujarati", "ગુજરાતી"),
    "he": ("Hebrew", "עברית"),
    "hi": ("Hindi", "हिन्दी", "हिंदी"),
    "hr": ("Croatian", "hrvatski"),
    "hu": ("Hungarian", "magyar"),
    "hy": ("Armenian", "հայերեն"),
    "id": ("Indonesian", "Bahasa Indonesia"),
    "is": ("Icelandic", "íslenska"),
    "it": ("Italian", "italiano"),
    "ja": ("Japanese", "日本語"),
    "ka": ("Georgian", "ქართული"),
    "kk": ("Kazakh", "қазақша", "қазақ тілі"),
    "km": ("Khmer", "ខ្មែរ"),
    "kn": ("Kannada", "ಕನ್ನಡ"),
    "ko": ("Korean", "한국어"),
    "la": ("Latin", "lingua latina"),
    "lg": ("Ganda", "Luganda"),
    "lo": ("Lao", "ລາວ"),
    "lt": ("Lithuanian", "lietuvių"),
    "lv": ("Latvian", "latviešu"),
    "mi": ("Maori", "te reo Māori"),
    "mk": ("Macedonian", "македонски"),
    "ml": ("Malayalam", "മലയാളം"),
    "mn": ("Mongolian", "монгол"),
    "mr": ("Marathi", "मराठी"),
    "ms": ("Malay", "Bahasa Melayu"),
    "mt": ("Maltese", "Malti"),
    "my": ("Burmese", "မြန်မာ"),
    "ne": ("Nepali", "नेपाली"),
    "nl": ("Dutch", "Nederlands", "Flemish", "Vlaams"),
    "no": ("Norwegian", "norsk"),
    "pa": ("Punjabi", "ਪੰਜਾਬੀ"),
    "pl": ("Polish", "polski"),
    "pt": ("Portuguese", "português"),
    "ro": ("Romanian", "română"),
    "ru": ("Russian", "русский"),
    "si": ("Sinhala", "සිංහල"),
    "sk": ("Slovak", "slovenčina"),
    "sl": ("Slovenian", "Slovene", "slovenščina"),
    "sn": ("Shona", "chiShona"),
    "so": ("Somali", "Soomaali"),
    "sq": ("Albanian", "shqip"),
    "sr": ("Serbian", "српски", "srpski"),
    "st": ("Sotho", "Sesotho"),
    "sv": ("Swedish", "svenska"),
    "sw": ("Swahili", "Kiswahili"),
    "ta": ("Tamil", "தமிழ்"),
    "te": ("Telugu", "తెలుగు"),
    "th": ("Thai", "ไทย"),
    "tl": ("Tagalog", "Filipino"),
    "tn": ("Tswana", "Setswana"),
    "tr": ("Turkish", "Türkçe"),
    "ts": ("Tsonga", "Xitsonga"),
    "uk": ("Ukrainian", "українська"),
    "ur": ("Urdu", "اردو"),
    "uz": ("Uzbek", "oʻzbekcha"),
    "vi": ("Vietnamese", "Tiếng Việt"),
    "xh": ("Xhosa", "isiXhosa"),
    "yo": ("Yoruba", "Yorùbá"),
    "zh": ("Chinese", "Mandarin", "中文", "汉语", "漢語"),
    "zu": ("Zulu", "isiZulu"),
}
"""ISO 639-1 code → English name, other English names, own name."""

_VARIETIES = {
    "de-at": "Austrian German",
    "de-ch": "Swiss German",
    "en-au": "Australian English",
    "en-gb": "British English",
    "en-us": "American English",
    "es-419": "Latin American Spanish",
    "es-es": "European Spanish",
    "es-mx": "Mexican Spanish",
    "fr-ca": "Canadian French",
    "nb": "Norwegian Bokmål",
    "nn": "Norwegian Nynorsk",
    "pt-br": "Brazilian Portuguese",
    "pt-pt": "European Portuguese",
    "zh-cn": "Simplified Chinese",
    "zh-hans": "Simplified Chinese",
    "zh-hant": "Traditional Chinese",
    "zh-tw": "Traditional Chinese",
}

_SYNONYMS = {"nb": "no", "nn": "no", "fil": "tl", "iw": "he", "in": "id", "cmn": "zh", "sh": "sr", "mo": "ro"}

_SCRIPTS = {
    **dict.fromkeys(("be", "bg", "kk", "mk", "mn", "ru", "uk"), ("Cyrillic",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("Arabic",)),
    **dict.fromkeys(("hi", "mr", "ne"), ("Devanagari",)),
    "am": ("Ethiopic",),
    "bn": ("Bengali",),
    "el": ("Greek",),
    "gu": ("Gujarati",),
    "he": ("Hebrew",),
    "hy": ("Armenian",),
    "ja": ("Han", "Hiragana", "Katakana"),
    "ka": ("Georgian",),
    "km": ("Khmer",),
    "kn": ("Kannada",),
    "ko": ("Hangul",),
    "lo": ("Lao",),
    "ml": ("Malayalam",),
    "my": ("Myanmar",),
    "pa": ("Gurmukhi",),
    "si": ("Sinhala",),
    "sr": ("Cyrillic", "Latin"),
    "ta": ("Tamil",),
    "te": ("Telugu",),
    "th": ("Thai",),
    "uz": ("Latin", "Cyrillic"),
    "zh": ("Han",),
}
"""What a language is written in; those not named, in Latin letters."""

_RIVALS = {
    "Latin": ("en", "es", "fr", "de", "it", "pt", "nl"),
    "Cyrillic": ("ru", "uk"),
    "Arabic": ("ar", "fa"),
    "Devanagari": ("hi", "mr"),
    "Han": ("zh", "ja"),
}
"""The languages that a wrong answer is in nearly always: those that models are best at, by script."""

_STAND_INS = {"gl": ("pt", "es"), "sr": ("sr", "hr", "bs"), "ne": ("hi", "mr")}
"""What a language looks like to lingua when it does not know the language, or not in all of its scripts."""

_SAMPLE_CHARS = 600
_MIN_CONFIDENCE = 0.2
_MIN_OWN_SHARE_LATIN = 0.5
_MIN_OWN_SHARE_OTHER = 0.1
_TRUE_RATIO = 2.0
_LIKELY_CONFIDENCE = 0.8
_CLEAR_CONFIDENCE = 0.9
_MIN_CLEAR_LETTERS = 30
_MIN_HAN_WITHOUT_KANA = 20

_LETTER = regex.compile(r"[\p{L}\p{M}]")
_LATIN_WORD = regex.compile(r"\p{Latin}++")


@dataclass(frozen=True, slots=True)
class Detected:
    """The likeliest language of a text.

    Attributes:
        language: ISO 639-1 code; "und" when nothing can be said.
        confidence: from 0 to 1. How often it is right, measured on translated interface strings in 45 languages: of
            0.8 and more, 0.88 of the texts below 20 letters, 0.95 of those around 35, 0.98 of those above 60; of 0.6
            to 0.8, half; below, a fifth to two fifths.
    """

    language: str
    confidence: float


_UNKNOWN = Detected("und", 0.0)


def detect(text: str) -> Detected:
    """The likeliest of 75 languages, by a look at the beginning, the middle and the end of the text.

    What is not language (addresses, code, placeholders, tags, numbers, emoji) is left out. Never raises; "und" comes
    out without letters, and for texts that fit many languages alike, such as "OK" or "Name".
    """
    return _detect(_sample(text))


def is_language(text: str, code: str) -> bool | None:
    """Whether a text is in the language, as far as can be told; None when it cannot.

    Only the text's letters are looked at. Letters of another script decide alone, except that a few Latin words in a
    language of another script are taken for names. Among languages of one script, a text is not in `code` when one of
    the script's large languages (`_RIVALS`) explains it clearly better, the more clearly the shorter the text. So a
    text in a small neighbour of `code` can pass, and simplified Chinese is not told from traditional, nor Portuguese
    of Brazil from that of Portugal, nor Bokmål from Nynorsk.

    Source: on 12 586 translated interface strings of 46 languages (gettext catalogues of Debian 12), a right text is
    called wrong in 0.2 to 0.8 % of those below 20 letters, 0.4 % from 20 to 30, and 0.1 to 0.5 % above; most of these
    are names. English where another language was asked for is found in 12 % below 6 letters, 28 % below 10, 52 % below
    20, 86 % below 30, 97 % below 45 and over 99 % above;
    twelve languages that are no rivals, where a rival was asked for, in 88 % from 30 to 45 and 96 % above.

    Raises:
        ValueError: for a language that `normal_code` does not know.
    """
    return _is_language(_sample(text), normal_code(code))


def normal_code(code_or_name: str) -> str:
    """The ISO 639-1 code of a language given by code or name, in English or its own: "es" for "es-MX" or "español".

    Case and accents do not matter. A region or script after the code is dropped; Bokmål and Nynorsk are both "no".

    Raises:
        ValueError: for an unknown one, naming those that look most like it.
    """
    folded = _fold(code_or_name)
    main, *rest = folded.replace("_", "-").split("-")
    code = _SYNONYMS.get(main, main)
    if code in _NAMES and all(part.isalnum() and len(part) <= 8 for part in rest):
        return code
    codes = _codes_by_name()
    if folded in codes:
        return codes[folded]
    near = [codes[name] for name in difflib.get_close_matches(folded[:40], codes, n=5, cutoff=0.6)]
    hint = ", ".join(f"{_NAMES[code][0]} ({code})" for code in dict.fromkeys(near[:3]))
    raise ValueError(
        f"unknown language {code_or_name[:40]!r}; " + (f"near: {hint}" if hint else "give a code such as 'es'")
    )


def language_name(code: str) -> str:
    """The English name for prompts, with the variety where it has a name: "Brazilian Portuguese" for "pt-BR".

    Raises:
        ValueError: for a language that `normal_code` does not know.
    """
    folded = _fold(code).replace("_", "-")
    by_name = {_fold(name): name for name in _VARIETIES.values()}
    return _VARIETIES.get(folded) or by_name.get(folded) or _NAMES[normal_code(code)][0]


@lru_cache(maxsize=4096)
def _detect(sample: str) -> Detected:
    shares = _shares(sample, _all_languages())
    if not shares:
        return _UNKNOWN
    language, confidence = max(shares.items(), key=lambda item: item[1])
    return Detected(language, min(confidence, 1.0)) if confidence >= _MIN_CONFIDENCE else _UNKNOWN


@lru_cache(maxsize=4096)
def _is_language(sample: str, code: str) -> bool | None:
    letters = "".join(_LETTER.findall(sample))
    scripts = _SCRIPTS.get(code, ("Latin",))
    own = {script: len(_in_script(script).findall(letters)) for script in scripts}
    num_own = sum(own.values())
    least = _MIN_OWN_SHARE_LATIN if "Latin" in scripts else _MIN_OWN_SHARE_OTHER
    if not letters or num_own < least * len(letters):
        return False if _is_foreign(sample, num_foreign=len(letters) - num_own) else None
    if len(scripts) == 1 and _is_only_language_of(scripts[0]):
        return True
    if code == "ja" and own["Han"] == num_own:  # a headline; longer Japanese has kana
        return None if num_own < _MIN_HAN_WITHOUT_KANA else False
    return _weigh(_only(scripts, sample), num_own, code, max(own, key=lambda script: own[script]))


def _is_foreign(sample: str, num_foreign: int) -> bool:
    """Whether letters of other scripts say something, and are not just a Latin name."""
    latin = _LATIN_WORD.findall(sample)
    if 2 * sum(map(len, latin)) < num_foreign:
        return num_foreign >= 2
    is_prose = any(len(word) >= 3 and word.islower() for word in latin)
    return len(latin) >= 2 and num_foreign >= 8 and is_prose


def _weigh(text: str, num_letters: int, code: str, script: str) -> bool | None:
    """How well the language explains the text, against how well the script's large languages do."""
    kin = tuple(other for other in _STAND_INS.get(code, (code,)) if other in _lingua_languages())
    best = _detect(text)
    if not kin:
        return False if _is_clear(best, num_letters) and best.language in _RIVALS.get(script, ()) else None
    if best.language in kin and best.confidence >= _LIKELY_CONFIDENCE:
        return True
    rivals = set(_RIVALS.get(script, ())) - {code, *kin}
    elsewhere = best.language not in (*rivals, code, *kin) and best.confidence >= _LIKELY_CONFIDENCE
    if elsewhere and _is_clear(best, num_letters):
        rivals.add(best.language)  # the full models decide: alone, `detect` takes Malay for Indonesian
    if not rivals:
        return True
    shares = _shares(text, _full_detector(tuple(sorted({*kin, *rivals}))))
    own, rival = sum(shares.get(one, 0.0) for one in kin), max(shares.get(one, 0.0) for one in rivals)
    if rival > own * _false_ratio(num_letters):
        return False
    return True if own > rival * _TRUE_RATIO and not elsewhere else None


def _is_clear(best: Detected, num_letters: int) -> bool:
    return best.confidence >= _CLEAR_CONFIDENCE and num_letters >= _MIN_CLEAR_LETTERS


def _false_ratio(num_letters: int) -> float:
    """How many times likelier a rival must be for a verdict; see `is_language` for what these give."""
    return next(ratio for least, ratio in ((30, 5.0), (20, 10.0), (10, 20.0), (0, 30.0)) if num_letters >= least)


def _sample(text: str) -> str:
    """At most three stretches of the text, without lone surrogates and what is not language."""
    if len(text) > 3 * _SAMPLE_CHARS:
        middle = (len(text) - _SAMPLE_CHARS) // 2
        text = "\n".join((text[:_SAMPLE_CHARS], text[middle : middle + _SAMPLE_CHARS], text[-_SAMPLE_CHARS:]))
    text = text.encode("utf-8", "ignore").decode("utf-8")
    parts, position = [], 0
    for span in find_spans(text):
        parts.append(text[position : span.start])
        position = span.end
    return " ".join((*parts, text[position:])).strip()


def _only(scripts: tuple[str, ...], sample: str) -> str:
    """The sample with the letters of other scripts blanked: names of the kind that lingua would count in."""
    own = "".join(rf"\p{{{script}}}" for script in scripts)
    return str(_compiled(rf"[\p{{L}}--[{own}]]++").sub(" ", sample))


def _shares(text: str, detector: lingua.LanguageDetector) -> dict[str, float]:
    """Probabilities by ISO 639-1 code; empty when there is nothing to go by."""
    shares: dict[str, float] = {}
    for value in detector.compute_language_confidence_values(text):
        if value.value > 0:
            code = value.language.iso_code_639_1.name.lower()
            code = _SYNONYMS.get(code, code)
            shares[code] = shares.get(code, 0.0) + value.value
    return shares


@cache
def _all_languages() -> lingua.LanguageDetector:
    return lingua.LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()


@cache
def _full_detector(codes: tuple[str, ...]) -> lingua.LanguageDetector:
    """The full models of a few languages; detectors of one process share them."""
    languages = [language for code in codes for language in _lingua_languages()[code]]
    return lingua.LanguageDetectorBuilder.from_languages(*languages).build()


@cache
def _lingua_languages() -> dict[str, list[lingua.Language]]:
    by_code: dict[str, list[lingua.Language]] = {}
    for language in sorted(lingua.Language.all(), key=lambda language: language.name):
        code = language.iso_code_639_1.name.lower()
        by_code.setdefault(_SYNONYMS.get(code, code), []).append(language)
    return by_code


@cache
def _is_only_language_of(script: str) -> bool:
    return script != "Latin" and sum(script in scripts for scripts in _SCRIPTS.values()) == 1


@cache
def _in_script(script: str) -> regex.Pattern[str]:
    return _compiled(rf"\p{{{script}}}")


@cache
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, regex.V1)


@cache
def _codes_by_name() -> dict[str, str]:
    varieties = {_fold(name): code for code, name in _VARIETIES.items()}
    return {
        **{name: normal_code(code) for name, code in varieties.items()},
        **{_fold(name): code for code, names in _NAMES.items() for name in names},
    }


def _fold(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))
