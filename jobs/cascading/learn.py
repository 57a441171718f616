"""Thresholds learnt from a sample that all models of a cascade answer."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from jobs.cascading.guarantee import Answered, answered_of, learn_thresholds
from jobs.cascading.sampling import FITTED_SHARE, draw, large_partitions, partition_sizes, sample_size
from pipeline import metrics
from pipeline.elements import Judgement
from pipeline.flow import Plan
from pipeline.layout import DEAD_LETTERS, RESULTS
from pipeline.parts import Part
from pipeline.rows import read_rows
from schemas.cascade import Gate, Thresholds
from schemas.envelope import ERROR_COLUMN, ErrorClass

RunPlan = Callable[[Plan], Counter[str]]

_UNANSWERED = {ErrorClass.REQUEST_REJECTED, ErrorClass.ENGINE_DIED, ErrorClass.DEADLINE, ErrorClass.OVER_BUDGET}
"""Failures that say nothing of the row: the next time it may have an answer."""
_KEPT_COUNTS = (
    metrics.SENT,
    metrics.PROMPT_TOKENS,
    metrics.CACHED_PROMPT_TOKENS,
    metrics.OUTPUT_TOKENS,
    metrics.REASONING_TOKENS,
    metrics.ENGINE_STARTS,
    metrics.ENGINE_DEATHS,
    metrics.ENGINE_START_US,
    metrics.ENGINE_US,
    metrics.STORE_BAD_PARTS,
)
"""What the answers to a sample took; how they ended is told when all rows are run."""


@dataclass(frozen=True)
class Aim:
    """What is to be proven.

    Attributes:
        target: share of the rows whose label is to be the last model's.
        delta: how probable it may be that it is not.
        partition: the column by which rows may have thresholds of their own.
        sample: rows to draw; None: as many as the target asks for.
        seed: of the draw.
    """

    target: float
    delta: float
    partition: str | None
    sample: int | None
    seed: int


@dataclass(frozen=True)
class Learnt:
    """Gates of the cheaper models, and what they cost and promise.

    Attributes:
        gates: of each cheaper model.
        sample: rows that were drawn.
        kept: share of them that a cheaper model's answer is kept of.
        tally: what the answers took.
    """

    gates: tuple[Gate, ...]
    sample: int
    kept: float
    tally: Counter[str]


@dataclass(frozen=True)
class _Found:
    """What a model makes of a row: `is_known` is whether that is so whenever it is asked."""

    judgement: Judgement | None
    is_known: bool


@dataclass(frozen=True)
class _Row:
    partition: str | None
    found: tuple[_Found, ...]
    fits: bool

    def agrees(self, model: int) -> bool:
        ours, last = self.found[model].judgement, self.found[-1].judgement
        return ours is not None and last is not None and ours.label == last.label


def learn(plans: Sequence[Plan], aim: Aim, run_plan: RunPlan) -> Learnt:
    """Have a sample answered by all models, and learn from it.

    Args:
        plans: of the models over all rows, the cheapest first.
        run_plan: runs one.

    Raises:
        UsageError: if the partitions are too many.
        RunError: as a run.
    """
    parts = plans[-1].parts
    number = sample_size(sum(part.rows for part in parts), aim.target, aim.sample)
    drawn = draw(parts, number, aim.seed)
    tally: Counter[str] = Counter()
    judged: list[list[_Found]] = []
    for plan in reversed(plans):  # the cheapest last: its engine stays for the run
        one = replace(plan, parts=tuple(drawn), settles=False, partition=None, budget=plans[-1].budget)
        found, spent = _answers(one, run_plan)
        judged.insert(0, found)
        tally += spent
    rows = _rows(drawn, plans[-1].columns, judged, aim)
    risk = (1 - aim.target) / (len(plans) - 1)
    own = [] if aim.partition is None else _own(parts, aim, number, risk, aim.delta / (len(plans) - 1))
    delta = aim.delta / (len(plans) - 1) / (len(own) + 1)
    gates = tuple(_gate(rows, model, own, risk, delta) for model in range(len(plans) - 1))
    kept = sum(any(_keeps(gate, row, i) for i, gate in enumerate(gates)) for row in rows)
    num_drawn = len(judged[-1])
    return Learnt(gates, num_drawn, kept / max(1, num_drawn), tally)


def _own(parts: Sequence[Part], aim: Aim, sample: int, risk: float, delta: float) -> list[str]:
    column = aim.partition or ""
    return large_partitions(partition_sizes(parts, column), sample, risk, delta)


def _keeps(gate: Gate, row: _Row, model: int) -> bool:
    judgement = row.found[model].judgement
    return judgement is not None and gate.keeps(row.partition, *judgement)


def _answers(plan: Plan, run_plan: RunPlan) -> tuple[list[_Found], Counter[str]]:
    """What one model says of the sample's rows, in order, and what that took."""
    with TemporaryDirectory() as folder:
        for name in (RESULTS, DEAD_LETTERS):
            (Path(folder) / name).mkdir()
        counted = run_plan(replace(plan, folder=folder)) if plan.parts else Counter[str]()
        columns = [*plan.layout.result.names, ERROR_COLUMN]
        files = sorted((Path(folder) / RESULTS).iterdir())
        found = [_found(plan, row) for file in files for row in pq.ParquetFile(file).read(columns).to_pylist()]
    tally = Counter({name: counted[name] for name in _KEPT_COUNTS})
    tally[metrics.UNIQUE] = counted[metrics.SENT]
    for name in (metrics.SENT, metrics.ENGINE_US):
        tally[metrics.of_model(name, plan.layout.model)] = counted[name]
    return found, tally


def _found(plan: Plan, row: dict[str, Any]) -> _Found:
    error = row.pop(ERROR_COLUMN)
    if error is not None:
        return _Found(None, is_known=error["class"] not in _UNANSWERED)
    return _Found(plan.task.judgement(plan.task.result.model_validate(row)), is_known=True)


def _rows(
    drawn: Sequence[Part], columns: Mapping[str, str], judged: Sequence[Sequence[_Found]], aim: Aim
) -> list[_Row]:
    """The sample's rows that any model has a result for, or may have; on a third of them, drawn, scores are fitted."""
    read = [row for part in drawn for row in read_rows(part, columns, aim.partition)]
    rng = random.Random(f"fit {aim.seed}")  # noqa: S311 - not a secret
    order = rng.sample(range(len(read)), len(read))
    fits = set(order[: round(FITTED_SHARE * len(read))])
    each = zip(read, zip(*judged, strict=True), strict=True)
    rows = [_Row(row.partition, tuple(found), i in fits) for i, (row, found) in enumerate(each)]
    return [row for row in rows if any(one.judgement is not None or not one.is_known for one in row.found)]


def _gate(rows: Sequence[_Row], model: int, own: Sequence[str], risk: float, delta: float) -> Gate:
    def learnt(those: Sequence[_Row]) -> Thresholds:
        fitted, proof = [row for row in those if row.fits], [row for row in those if not row.fits]
        unknown = sum(not row.found[model].is_known for row in proof)
        return learn_thresholds(_answered(fitted, model), _answered(proof, model), len(proof), risk, delta, unknown)

    by_partition = {name: learnt([row for row in rows if row.partition == name]) for name in own}
    return Gate(thresholds=learnt([row for row in rows if row.partition not in own]), by_partition=by_partition)


def _answered(rows: Sequence[_Row], model: int) -> Answered:
    given = [(row, judgement) for row in rows if (judgement := row.found[model].judgement) is not None]
    return answered_of(
        [j.label for _, j in given], [j.probability for _, j in given], [r.agrees(model) for r, _ in given]
    )
