"""Written texts: which checks they pass, and how much they repeat each other. Needs no gold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.evaluation.bootstrap import Bools, Resampling, mean_of
from pipeline.text.words import folded, folded_words
from schemas.evaluation import CheckRate, Figure
from schemas.results import CHECKS_COLUMN

TEXT_COLUMNS = ("title", "body", "reply")
_LONGEST_GRAM = 3


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


def read_checked(results: pa.Table) -> Checked | None:
    """The checks of results that carry any."""
    if CHECKS_COLUMN not in results.column_names:
        return None
    return Checked([{c["name"]: c["passed"] for c in checks or ()} for checks in results[CHECKS_COLUMN].to_pylist()])


@dataclass(frozen=True)
class Written:
    """Texts of a run, one a result."""

    texts: Sequence[str]

    def among(self, rows: Bools) -> "Written":
        """Those of some rows."""
        return Written([text for text, kept in zip(self.texts, rows, strict=True) if kept])

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """Distinct n-grams over all of them, and the share of texts that were there before; no intervals.

        Source: Li et al., A Diversity-Promoting Objective Function for Neural Conversation Models, NAACL 2016.
        """
        found = {}
        words = [folded_words(text) for text in self.texts]
        for n in range(1, _LONGEST_GRAM + 1):
            grams = Counter(tuple(of[i : i + n]) for of in words for i in range(len(of) - n + 1))
            if grams:
                about = f"different {n}-grams of words over all, in (0, 1]"
                found[f"distinct_{n}"] = self._figure(len(grams) / grams.total(), about, None)
        if self.texts:
            repeated = 1 - len(set(map(folded, self.texts))) / len(self.texts)
            found["duplicates"] = self._figure(repeated, "share of texts that another result has too", False)
        return found

    def _figure(self, value: float, about: str, higher_is_better: bool | None) -> Figure:
        return Figure(value=value, rows=len(self.texts), about=about, higher_is_better=higher_is_better)


def read_written(results: pa.Table) -> Written | None:
    """The texts of a run that writes some: title and body together."""
    names = [name for name in TEXT_COLUMNS if name in results.column_names]
    if not names:
        return None
    rows = results.select(names).to_pylist()
    return Written(["\n".join(filter(None, row.values())) for row in rows])
