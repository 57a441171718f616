"""What languages are called, by code and by name; the names are in `languages.toml`."""

import difflib
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files

_TABLES = tomllib.loads((files(__package__) / "languages.toml").read_text(encoding="utf-8"))
_NAMES: dict[str, list[str]] = _TABLES["names"]
_VARIETIES: dict[str, str] = _TABLES["varieties"]

SYNONYMS: dict[str, str] = _TABLES["synonyms"]
"""Other code → ISO 639-1 code."""

SCRIPTS: dict[str, tuple[str, ...]] = {code: tuple(scripts) for code, scripts in _TABLES["scripts"].items()}
"""What a language is written in; those not named, in Latin letters."""


@lru_cache(maxsize=1024)
def normal_code(code_or_name: str) -> str:
    """The ISO 639-1 code of a language given by code or name, in English or its own: "es" for "es-MX" or "español".

    Case and accents do not matter. A region or script after the code is dropped; Bokmål and Nynorsk are both "no".

    Raises:
        ValueError: for an unknown one, naming those that look most like it.
    """
    folded = _fold(code_or_name)
    main, *rest = folded.replace("_", "-").split("-")
    code = SYNONYMS.get(main, main)
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


@lru_cache(maxsize=1024)
def language_name(code: str) -> str:
    """The English name for prompts, with the variety where it has a name: "Brazilian Portuguese" for "pt-BR".

    Raises:
        ValueError: for a language that `normal_code` does not know.
    """
    folded = _fold(code).replace("_", "-")
    by_name = {_fold(name): name for name in _VARIETIES.values()}
    return _VARIETIES.get(folded) or by_name.get(folded) or _NAMES[normal_code(code)][0]


def variety_code(language: str) -> str:
    """A code that keeps its variety where that has a name of its own: "pt-br", but "es" for "es-MX".

    Raises:
        ValueError: for a language that `normal_code` does not know.
    """
    language = language.strip()
    code = normal_code(language)
    return language.lower() if language_name(language) != language_name(code) and "-" in language else code


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
