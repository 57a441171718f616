"""Two runs with their common rows, and how far their answers, failures and checks differ."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.answer_columns import UNKNOWN, Binned, Codes, Kind, Numbers, binned, kind_of, numbers
from jobs.comparison import Changed, Flip, RateChange, Shift
from jobs.config import nearest
from jobs.drift import Chance, Crossed, by_chance, cross, jensen_shannon, population_stability, rise, wilson
from jobs.pairing import APART, Pairing
from jobs.run_output import RunOutput
from pipeline.errors import UsageError
from schemas.envelope import ID_COLUMN, STATUS_COLUMN, Status
from schemas.results import CHECKS_COLUMN

_UNCERTAINTY = "uncertainty"
_SEED = 0


class RunPair:
    """Two runs with their common rows; each figure reads the columns that it needs."""

    def __init__(self, a: RunOutput, b: RunOutput, pairing: Pairing, canary: bool) -> None:
        self._runs, self._pairing, self._canary = (a, b), pairing, canary
        self._columns = {name: kind for name in self._compared() if (kind := self._kind(name)) is not None}

    def restrict(self, only: Sequence[str]) -> None:
        """Look at these answer columns only, if any are named.

        Raises:
            UsageError: for one that is not there to be compared.
        """
        for name in only:
            if name not in self._columns:
                raise UsageError(f"there is no answer column {name!r} to compare", nearest(name, self._columns))
        self._columns = {name: kind for name, kind in self._columns.items() if name in only or not only}

    def _compared(self) -> list[str]:
        a, b = self._runs
        return [name for name in a.answer_columns if name in b.answer_columns and name not in APART]

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

    def shifts(self, usual: dict[str, float]) -> list[Shift]:
        """How far each answer column's distribution differs."""
        return [self._shift(name, found, crossed, usual.get(name)) for name, found, crossed in self.crossed()]

    def _shift(self, name: str, found: Binned, crossed: Crossed, usual: float | None) -> Shift:
        a, b = crossed.a, crossed.b
        chance = by_chance(crossed, population_stability, _SEED)
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

    def rates(self) -> list[RateChange]:
        """How much more of B's results fail, and how much more at each check that both runs have."""
        failed = [_codes(pc.equal(column, Status.FAILED)) for column in self._read(STATUS_COLUMN)]
        found = [self._rate("failed", failed)]
        if all(CHECKS_COLUMN in run.schema for run in self._runs):
            checks = [_failed_checks(column) for column in self._read(CHECKS_COLUMN)]
            found += [
                self._rate(f"check {name}", [run[name] for run in checks]) for name in checks[0].keys() & checks[1]
            ]
        return sorted(found, key=lambda rate: (rate.what != "failed", rate.what))

    def _rate(self, what: str, failing: Sequence[Codes]) -> RateChange:
        crossed = self._cross(Binned(("passed", "failed"), tuple(failing)))
        a, b = crossed.a, crossed.b
        known = bool(a.sum() and b.sum())
        chance = by_chance(crossed, rise, _SEED) if known else Chance(0.0, 1.0)
        return RateChange(
            what=what,
            rows_a=int(a.sum()),
            rows_b=int(b.sum()),
            failing_a=float(a[1] / max(1, a.sum())),
            failing_b=float(b[1] / max(1, b.sum())),
            rise=float(rise(a, b)) if known else 0.0,
            p=chance.p,
        )

    def changed(self) -> list[Changed]:
        """How many of the common rows have another answer, for columns of categories and of texts."""
        found = []
        for name, kind in self._columns.items():
            columns = self._read(name)
            if kind is Kind.NUMBER or not (kind is Kind.CATEGORY or pa.types.is_string(columns[0].type)):
                continue
            unequal = self._unequal(columns)
            rows, changed = len(unequal) - unequal.null_count, pc.sum(unequal).as_py() or 0
            share = changed / rows if rows else 0.0
            interval = wilson(changed, rows)
            found.append(Changed(column=name, kind=kind, rows=rows, changed=changed, share=share, interval=interval))
        return found

    def _unequal(self, columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
        """For each pair of rows, whether its two values differ; null if one of them is not known."""
        return pc.not_equal(columns[0].take(self._pairing.rows_a), columns[1].take(self._pairing.rows_b))

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


def _codes(flags: pa.ChunkedArray) -> Codes:
    """1 where true, 0 where false, unknown where null."""
    return np.asarray(pc.fill_null(pc.cast(flags, pa.int64()), UNKNOWN).to_numpy())


def _failed_checks(column: pa.ChunkedArray) -> dict[str, Codes]:
    """Check → for each row, 1 if it failed, 0 if it passed, unknown if it has none of that name."""
    found: dict[str, Codes] = {}
    start = 0
    for chunk in column.chunks:
        rows = start + pc.list_parent_indices(chunk).to_numpy()
        flat = pc.list_flatten(chunk)
        names, passed = flat.field("name"), flat.field("passed").to_numpy(zero_copy_only=False)
        for name in pc.unique(names).to_pylist():
            of_this = pc.equal(names, name).to_numpy(zero_copy_only=False)
            codes = found.setdefault(name, np.full(len(column), UNKNOWN, np.int64))
            codes[rows[of_this]] = ~passed[of_this].astype(bool)
        start += len(chunk)
    return found
