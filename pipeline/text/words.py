"""Words, in scripts with spaces between them and without: what is one, and whether a text has it."""

import unicodedata

import regex  # type: ignore[import-untyped]

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_IN_WORD = rf"[\p{{L}}\p{{N}}\p{{M}}--[{_UNSPACED}]]"

WORD = regex.compile(rf"{_IN_WORD}++(?:['’\-.,]{_IN_WORD}++)*+", regex.V1)
"""A run of letters and digits, with what joins them ("don't", "well-known", "3.5")."""

UNSPACED_CHAR = regex.compile(rf"[{_UNSPACED}]")
"""Of a script without spaces: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""

DENSE_CHAR = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
"""Of a script in which a few characters make a sentence."""

_GLUED_CHAR = regex.compile(rf"[{_UNSPACED}\p{{Hangul}}]")  # Hangul has spaces, but its particles are part of words
_BORDERED = regex.compile(rf"[\w--[{_UNSPACED}\p{{Hangul}}]]", regex.V1)

_MAX_WORD_CHARS = 200
"""What is longer is looked for as it stands: it is no word, and looking for its borders could take long."""


def has_word(text: str, word: str, plural: bool) -> bool:
    """Whether a word or phrase, both `folded`, stands alone in the text; in scripts without spaces, whether it occurs.

    With `plural`, an ending -s or -es will do.
    """
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


def count_words(text: str) -> int:
    """How many words a text has; in scripts without spaces two characters count as one."""
    return len(WORD.findall(text)) + (len(UNSPACED_CHAR.findall(text)) + 1) // 2


def folded_words(text: str) -> list[str]:
    """The words of a text, folded, and the characters of its scripts without spaces."""
    plain = folded(text)
    return [*WORD.findall(plain), *UNSPACED_CHAR.findall(plain)]


def folded(text: str) -> str:
    """The text without what two spellings of it may differ by: case, kinds of apostrophe, spaces."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("’", "'").split())
