"""A glossary: how certain terms are to be translated, and which are not to be."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]

from pipeline.errors import UsageError
from pipeline.text.languages import normal_code
from schemas.results import Check

_MIN_STEM_CHARS = 4
_ENDING_CHARS = 2


@dataclass(frozen=True)
class Term:
    """A term of the source text, and what is to stand for it.

    Attributes:
        source: as it stands in texts, in the singular; either case counts.
        targets: (language code, translation); the term itself for each language when it is to be kept.
        keep: it is a name, and stays as it is.
    """

    source: str
    targets: tuple[tuple[str, str], ...]
    keep: bool = False

    def target(self, language: str) -> str | None:
        """What stands for it in a language; None if the glossary leaves that open."""
        return self.source if self.keep else dict(self.targets).get(normal_code(language))


def read_glossary(path: str) -> tuple[Term, ...]:
    """The terms of a TOML file: `[[terms]]` with `source`, and either a key for each language or `keep = true`.

    Raises:
        UsageError: if the file cannot be read or says something else.
    """
    try:
        tables = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8")).get("terms")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the glossary {path}: {error}") from None
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"the glossary {path} has no [[terms]]", "jobs/data/glossary.toml is an example")
    return tuple(_read_term(path, number, table) for number, table in enumerate(tables, 1))


def _read_term(path: str, number: int, table: Any) -> Term:
    where = f"term {number} of the glossary {path}"
    if not isinstance(table, dict) or not str(table.get("source", "")).strip():
        raise UsageError(f"{where} has no source")
    others = {key: value for key, value in table.items() if key not in ("source", "keep")}
    keep = table.get("keep", False)
    if keep not in (True, False) or bool(keep) == bool(others):
        raise UsageError(f"{where} ({table['source']}) needs either a translation or keep = true")
    try:
        targets = tuple((normal_code(key), str(value)) for key, value in others.items())
    except ValueError as error:
        raise UsageError(f"{where} ({table['source']}): {error}") from None
    return Term(str(table["source"]).strip(), targets, bool(keep))


def terms_in(text: str, terms: Sequence[Term], language: str) -> list[Term]:
    """The terms that occur in a text as whole words, a plural "s" or "es" allowed, and have a target in a language."""
    return [term for term in terms if term.target(language) is not None and _whole(term.source).search(text)]


def kept_glossary(source: str, output: str, terms: Sequence[Term], language: str) -> Check:
    """Fails when a term of the source is not translated as the glossary says; endings may be inflected."""
    missed = []
    for term in terms_in(source, terms, language):
        target = term.target(language) or ""
        if not (_whole(target) if term.keep else _inflected(target)).search(output):
            missed.append(f"'{term.source}' must {'stay as it is' if term.keep else f'be translated as {target!r}'}")
    return Check(name="glossary", passed=not missed, detail="; ".join(missed[:3]) or None)


@lru_cache(maxsize=4096)
def _whole(term: str) -> regex.Pattern[str]:
    return regex.compile(rf"(?i)(?<!\w){regex.escape(term)}(?:s|es)?(?!\w)")


@lru_cache(maxsize=4096)
def _inflected(target: str) -> regex.Pattern[str]:
    """Each word of the target by its stem: what is left without an ending of two letters."""
    stems = [word[: max(_MIN_STEM_CHARS, len(word) - _ENDING_CHARS)] for word in target.split()]
    return regex.compile(r"(?i)" + r"\w*\W+".join(regex.escape(stem) for stem in stems))
