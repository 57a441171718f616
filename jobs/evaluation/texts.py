"""Written texts: which checks they pass, and how much they repeat each other. Needs no gold."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.evaluation.bootstrap import Bools, Ints, Resampling, mean_of
from pipeline.text.words import folded, folded_words
from schemas.evaluation import CheckRate, Figure
from schemas.results import CHECKS_COLUMN

TEXT_COLUMNS = ("title", "body", "reply")
_LONGEST_GRAM = 3

Numbers = NDArray[np.uint32]


@dataclass(frozen=True)
class Checked:
    """The checks of some results.

    Attributes:
        checks: for each result, name → whether it passed.
    """

    checks: Sequence[dict[str, bool]]

    def among(self, rows: Bools) -> "Checked":
        """Those of some rows."""
        return Checked([checks for checks, kept in zip(self.checks, rows, strict=True) if kept])

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """The share of results that pass all their checks."""
        strict = np.array([all(checks.values()) for checks in self.checks], np.float64)
        figure = resampling.figure(mean_of(strict), len(strict), "share of results that pass every check")
        return {} if figure is None else {"strict_pass_rate": figure}

    def rates(self) -> dict[str, CheckRate]:
        """Each check's pass rate."""
        passed: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        for checks in self.checks:
            asked.update(checks.keys())
            passed.update(name for name, fine in checks.items() if fine)
        return {
            name: CheckRate(passed=passed[name], failed=number - passed[name], rate=passed[name] / number)
            for name, number in asked.items()
        }


def read_checked(answers: pa.Table) -> Checked | None:
    """The checks of results that carry any."""
    if CHECKS_COLUMN not in answers.column_names:
        return None
    return Checked([{c["name"]: c["passed"] for c in checks or ()} for checks in answers[CHECKS_COLUMN].to_pylist()])


@dataclass(frozen=True)
class Written:
    """Texts of a run, one a result, in numbers.

    Attributes:
        words: for each text, the numbers of its words.
        texts: a 64-bit hash of each text.
        vocabulary: how many different words there are.
    """

    words: Sequence[Numbers]
    texts: Ints
    vocabulary: int

    def among(self, rows: Bools) -> "Written":
        """Those of some rows."""
        kept = [words for words, keep in zip(self.words, rows, strict=True) if keep]
        return Written(kept, self.texts[rows], self.vocabulary)

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """Distinct n-grams over all of them, and the share of texts that were there before; no intervals.

        Source: Li et al., A Diversity-Promoting Objective Function for Neural Conversation Models, NAACL 2016.
        """
        found = {}
        for n in range(1, _LONGEST_GRAM + 1):
            grams = self._grams(n)
            if len(grams):
                about = f"different {n}-grams of words over all, in (0, 1]"
                found[f"distinct_{n}"] = self._figure(len(np.unique(grams)) / len(grams), about, None)
        if len(self.texts):
            repeated = 1 - len(np.unique(self.texts)) / len(self.texts)
            found["duplicates"] = self._figure(repeated, "share of texts that an earlier result has too", False)
        return found

    def _grams(self, n: int) -> NDArray[np.uint64]:
        """A number for each n-gram of each text, with its words as digits.

        Different n-grams have different ones up to 2.6 million different words; from there on it is a hash.
        """
        base = np.uint64(self.vocabulary | 1)
        found = []
        for words in (words.astype(np.uint64) for words in self.words if len(words) >= n):
            grams = words[: len(words) - n + 1]
            for i in range(1, n):
                grams = grams * base + words[i : len(words) - n + 1 + i]
            found.append(grams)
        return np.concatenate(found) if found else np.zeros(0, np.uint64)

    def _figure(self, value: float, about: str, higher_is_better: bool | None) -> Figure:
        return Figure(value=value, rows=len(self.texts), about=about, higher_is_better=higher_is_better)


def read_written(answers: pa.Table) -> Written | None:
    """The texts of a run that writes some: title and body together."""
    names = [field.name for field in answers.schema if field.name in TEXT_COLUMNS and pa.types.is_string(field.type)]
    if not names:
        return None
    vocabulary: defaultdict[str, int] = defaultdict(count().__next__)
    words, texts = [], []
    for batch in answers.select(names).to_batches():
        for row in batch.to_pylist():
            text = "\n".join(filter(None, row.values()))
            words.append(np.array([vocabulary[word] for word in folded_words(text)], np.uint32))
            texts.append(hash(folded(text)))
    return Written(words, np.array(texts, np.int64), len(vocabulary))
