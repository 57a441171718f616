"""Whether a text is in a given language: by its script, then by what else would explain it."""

from functools import cache, lru_cache

import regex  # type: ignore[import-untyped]

from pipeline.text.languages.detection import (
    Detected,
    compute_shares,
    full_detector,
    likeliest,
    lingua_languages,
    take_sample,
)
from pipeline.text.languages.names import SCRIPTS, normal_code

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

_MIN_OWN_SHARE_LATIN = 0.5
_MIN_OWN_SHARE_OTHER = 0.1
_TRUE_RATIO = 2.0
_LIKELY_CONFIDENCE = 0.8
_CLEAR_CONFIDENCE = 0.9
_MIN_CLEAR_LETTERS = 30
_MIN_HAN_WITHOUT_KANA = 20

_LETTER = regex.compile(r"[\p{L}\p{M}]")
_LATIN_WORD = regex.compile(r"\p{Latin}++")


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
    return _is_language(take_sample(text), normal_code(code))


@lru_cache(maxsize=4096)
def _is_language(sample: str, code: str) -> bool | None:
    letters = "".join(_LETTER.findall(sample))
    scripts = SCRIPTS.get(code, ("Latin",))
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
    kin = tuple(other for other in _STAND_INS.get(code, (code,)) if other in lingua_languages())
    best = likeliest(text)
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
    shares = compute_shares(text, full_detector(tuple(sorted({*kin, *rivals}))))
    own, rival = sum(shares.get(one, 0.0) for one in kin), max(shares.get(one, 0.0) for one in rivals)
    if rival > own * _false_ratio(num_letters):
        return False
    return True if own > rival * _TRUE_RATIO and not elsewhere else None


def _is_clear(best: Detected, num_letters: int) -> bool:
    return best.confidence >= _CLEAR_CONFIDENCE and num_letters >= _MIN_CLEAR_LETTERS


def _false_ratio(num_letters: int) -> float:
    """How many times likelier a rival must be for a verdict; see `is_language` for what these give."""
    return next(ratio for least, ratio in ((30, 5.0), (20, 10.0), (10, 20.0), (0, 30.0)) if num_letters >= least)


def _only(scripts: tuple[str, ...], sample: str) -> str:
    """The sample with the letters of other scripts blanked: names of the kind that lingua would count in."""
    own = "".join(rf"\p{{{script}}}" for script in scripts)
    return str(_compiled(rf"[\p{{L}}--[{own}]]++").sub(" ", sample))


@cache
def _is_only_language_of(script: str) -> bool:
    return script != "Latin" and sum(script in scripts for scripts in SCRIPTS.values()) == 1


@cache
def _in_script(script: str) -> regex.Pattern[str]:
    return _compiled(rf"\p{{{script}}}")


@cache
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, regex.V1)
