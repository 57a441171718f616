"""Two runs with their common rows, and how far their answers, failures and checks differ."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.comparing.answer_columns import Binned, Codes, Kind, Numbers, as_text, binned, kind_of, numbers
from jobs.comparing.comparison import Changed, Flip, RateChange, Shift
from jobs.comparing.drift import Chance, Crossed, by_chance, cross, jensen_shannon, population_stability, rise, wilson
from jobs.comparing.failing import empty_answers, failed_checks, failed_rows
from jobs.comparing.pairing import APART, Pairing
from jobs.config import nearest
from jobs.run_output import RunOutput
from pipeline.errors import UsageError
from schemas.envelope import ID_COLUMN, STATUS_COLUMN
from schemas.results import CHECKS_COLUMN

_UNCERTAINTY = "uncertainty"
_SEED = 0


class RunPair:
    """Two runs with their common rows; each figure reads the columns that it needs."""

    def __init__(self, a: RunOutput, b: RunOutput, pairing: Pairing, canary: bool) -> None:
        self._runs, self._pairing, self._canary = (a, b), pairing, canary
        self._names = self._in_both()
        self._columns = {name: kind for name in self._names if (kind := self._kind(name)) is not None}
        self.skipped = list(self._skipped())

    def restrict(self, only: Sequence[str]) -> None:
        """Look at these answer columns only, if any are named.

        Raises:
            UsageError: for one that is not there to be compared.
        """
        for name in only:
            if name not in self._columns:
                raise UsageError(f"there is no answer column {name!r} to compare", nearest(name, self._columns))
        if only:
            self._names = list(only)
            self._columns = {name: kind for name, kind in self._columns.items() if name in only}
            self.skipped = []

    @property
    def num_figures(self) -> int:
        """How many figures there are to test, or a few more: shifts and rates."""
        return 1 + len(self._columns) + len(self._names) + len(self._runs[0].manifest.counts.checks)

    def _in_both(self) -> list[str]:
        a, b = self._runs
        return [name for name in a.answer_columns if name in b.answer_columns and name not in APART]

    def _skipped(self) -> Iterator[str]:
        """The answer columns whose values are not compared, with the reason."""
        a, b = self._runs
        for name in (name for name in self._names if name not in self._columns):
            same = a.schema[name] == b.schema[name]
            yield f"{name}: {a.schema[name]}" if same else f"{name}: {a.schema[name]} in A, {b.schema[name]} in B"
        for run, other, which in ((a, b, "A"), (b, a, "B")):
            for name in run.answer_columns:
                if name not in other.answer_columns:
                    yield f"{name}: only in {which}"

    def _read(self, name: str) -> list[pa.ChunkedArray]:
        return [run.column(name) for run in self._runs]

    def _kind(self, name: str) -> Kind | None:
        a, b = self._runs
        return kind_of(self._read(name), a.choice_labels | b.choice_labels)

    def _cross(self, binned_: Binned) -> Crossed:
        codes_a, codes_b = binned_.codes
        rows = self._pairing.rows_a, self._pairing.rows_b
        return cross(codes_a, codes_b, *rows, len(binned_.bins), self._canary)

    def crossed(self) -> Iterator[tuple[str, Binned, Crossed]]:
        """Each answer column that has values in both runs, in bins."""
        for name, kind in self._columns.items():
            found = binned(self._read(name), kind)
            crossed = self._cross(found)
            if crossed.a.sum() and crossed.b.sum():
                yield name, found, crossed

    def shifts(self, usual: dict[str, float], exchanges: int) -> list[Shift]:
        """How far each answer column's distribution differs."""
        return [
            self._shift(
                name, found, crossed, usual.get(name), by_chance(crossed, population_stability, _SEED, exchanges)
            )
            for name, found, crossed in self.crossed()
        ]

    def _shift(self, name: str, found: Binned, crossed: Crossed, usual: float | None, chance: Chance) -> Shift:
        a, b = crossed.a, crossed.b
        means = self._means(name)
        return Shift(
            column=name,
            kind=self._columns[name],
            rows_a=int(a.sum()),
            rows_b=int(b.sum()),
            psi=float(population_stability(a, b)),
            js_distance=float(jensen_shannon(a, b)),
            chance=chance.usual,
            usual=usual,
            p=chance.p,
            testable=chance.testable,
            mean_a=means[0],
            mean_b=means[1],
            bins=list(found.bins),
            shares_a=(a / a.sum()).tolist(),
            shares_b=(b / b.sum()).tolist(),
        )

    def _means(self, name: str) -> list[float | None]:
        kind = self._columns[name]
        if kind is Kind.CATEGORY:
            return [None, None]
        values = [numbers(column, kind) for column in self._read(name)]
        if self._canary:
            rows = self._pairing.rows_a, self._pairing.rows_b
            values = [run[those] for run, those in zip(values, rows, strict=True)]
        return [float(np.nanmean(run)) for run in values]

    def rates(self, exchanges: int) -> list[RateChange]:
        """How much more of B's results fail, at each check that both runs have, and have no answer in a column."""
        return [self._rate(what, failing, exchanges) for what, failing in self._failing()]

    def _failing(self) -> Iterator[tuple[str, Sequence[Codes]]]:
        status = self._read(STATUS_COLUMN)
        yield "failed", [failed_rows(column) for column in status]
        if all(CHECKS_COLUMN in run.schema for run in self._runs):
            checks = [failed_checks(column) for column in self._read(CHECKS_COLUMN)]
            for name in sorted(checks[0].keys() & checks[1]):
                yield f"check {name}", [run[name] for run in checks]
        for name in self._names:
            yield f"empty {name}", [empty_answers(*both) for both in zip(self._read(name), status, strict=True)]

    def _rate(self, what: str, failing: Sequence[Codes], exchanges: int) -> RateChange:
        crossed = self._cross(Binned(("passed", "failed"), tuple(failing)))
        a, b = crossed.a, crossed.b
        known = bool(a.sum() and b.sum())
        chance = by_chance(crossed, rise, _SEED, exchanges) if known else Chance(0.0, 1.0, testable=False)
        return RateChange(
            what=what,
            rows_a=int(a.sum()),
            rows_b=int(b.sum()),
            failing_a=float(a[1] / max(1, a.sum())),
            failing_b=float(b[1] / max(1, b.sum())),
            rise=float(rise(a, b)) if known else 0.0,
            p=chance.p,
            testable=chance.testable,
        )

    def changed(self) -> list[Changed]:
        """How many of the common rows have another answer, for columns of categories, texts and lists."""
        found = []
        for name, kind in self._columns.items():
            if kind is Kind.NUMBER:
                continue
            unequal = self._unequal(self._read(name))
            if rows := len(unequal) - unequal.null_count:
                changed = pc.sum(unequal).as_py()
                of = {"rows": rows, "changed": changed, "share": changed / rows, "interval": wilson(changed, rows)}
                found.append(Changed(column=name, kind=kind, **of))
        return found

    def _unequal(self, columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
        """For each pair of rows, whether its two values differ; null if one of them is not known."""
        a, b = map(as_text, columns)
        return pc.not_equal(a.take(self._pairing.rows_a), b.take(self._pairing.rows_b))

    def flips(self, show: int) -> list[Flip]:
        """The rows with another category, those first in which both runs were the most certain."""
        confidence = self._confidence()
        found: list[tuple[float, int, str]] = []
        for name in (name for name, kind in self._columns.items() if kind is Kind.CATEGORY):
            unequal = pc.fill_null(self._unequal(self._read(name)), False).to_numpy()
            pairs = np.flatnonzero(unequal)
            order = np.argsort(-confidence[pairs], kind="stable")[:show]
            found += [(-confidence[pair], int(pair), name) for pair in pairs[order]]
        return self._named(sorted(found)[:show])

    def _confidence(self) -> Numbers:
        if not all(_UNCERTAINTY in run.schema for run in self._runs):
            return np.zeros(len(self._pairing.rows_a))
        rows = self._pairing.rows_a, self._pairing.rows_b
        uncertain = [numbers(c, Kind.NUMBER)[those] for c, those in zip(self._read(_UNCERTAINTY), rows, strict=True)]
        return np.asarray(np.nan_to_num(1 - np.maximum(*uncertain)))

    def _named(self, found: Sequence[tuple[float, int, str]]) -> list[Flip]:
        pairs = [pair for _, pair, _ in found]
        names = sorted({name for _, _, name in found})
        a, b = self._runs
        has_confidence = _UNCERTAINTY in a.schema and _UNCERTAINTY in b.schema
        rows_a = a.rows(self._pairing.rows_a[pairs].tolist(), [ID_COLUMN, *names]) if pairs else []
        rows_b = b.rows(self._pairing.rows_b[pairs].tolist(), [*names, *b.text_columns]) if pairs else []
        return [
            Flip(
                id=row_a[ID_COLUMN],
                column=name,
                a=str(row_a[name]),
                b=str(row_b[name]),
                confidence=-negative if has_confidence else None,
                texts={column: row_b[column] for column in b.text_columns},
            )
            for (negative, _, name), row_a, row_b in zip(found, rows_a, rows_b, strict=True)
        ]
