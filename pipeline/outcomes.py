"""From answers to outcomes: parse, check, and settle each result of a row."""

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import apache_beam as beam

from pipeline import metrics
from pipeline.elements import NO_COST, Block, Case, Completion, Failure, Outcome, RowRef, cost_of
from pipeline.errors import RowError
from pipeline.task import AnyTask
from schemas.envelope import ErrorClass
from schemas.results import CheckedResult, Result

DEAD = "dead"

Settled = tuple[int, Block[Outcome]]
"""A part and some outcomes of rows that belong to it."""


def by_part(rows: Iterable[tuple[int, list[Outcome]]], settles: bool = True) -> Iterator[Settled]:
    """Each row's outcomes, with its part, in a block for each part; how they ended is counted if that settles rows."""
    parts: defaultdict[int, Block[Outcome]] = defaultdict(Block)
    for part, outcomes in rows:
        parts[part] += outcomes
    for settled in parts.items():
        if settles:
            _count(settled[1])
        yield settled


def _count(outcomes: Block[Outcome]) -> None:
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    checks = [check for outcome in outcomes for check in outcome.values.get("checks") or ()]
    tally = Tally([metrics.failed_as(failure.error_class) for failure in failures])
    tally.update([metrics.check_ended(check["name"], check["passed"]) for check in checks])
    tally[metrics.OK], tally[metrics.FAILED] = len(outcomes) - len(failures), len(failures)
    for name, number in tally.items():
        metrics.count(name, number)


def fail_row(task: AnyTask, ref: RowRef, error: RowError) -> list[Outcome]:
    """The outcomes of a row that is not valid: one for each result that it would have had."""
    failure = Failure(error.error_class, error.message, attempts=0, answer=error.answer)
    branches = task.branches(None)
    return [
        Outcome(ref.position, index, len(branches), False, NO_COST, dict(keys), failure)
        for index, keys in enumerate(branches)
    ]


class ParseAnswers(beam.DoFn):
    """Blocks of cases that have all their answers, to outcomes by part.

    Args:
        task: whose answers they are.
        required: names of checks that a result must pass.
        model: whose rows are counted, of a cascade.
        settles: rows are done, and how they ended is counted.
        adapted: name of an adapter → the task for the rows that it answered.
    """

    def __init__(
        self,
        task: AnyTask,
        required: Sequence[str],
        model: str | None = None,
        settles: bool = True,
        adapted: Mapping[str, AnyTask] = MappingProxyType({}),
    ) -> None:
        self._required, self._model, self._settles = frozenset(required), model, settles
        self._by_adapter: dict[str | None, tuple[AnyTask, int]] = {None: (task, -1)}
        self._by_adapter.update((name, (one, level)) for level, (name, one) in enumerate(adapted.items()))

    def process(self, cases: Block[Case]) -> Iterator[Settled]:
        metrics.count(metrics.TRUNCATED, sum(case.truncated for case in cases))
        if self._model is not None:
            metrics.count(metrics.of_model(metrics.ROWS, self._model), len(cases))
        yield from by_part(((case.ref.part, self._settle(case)) for case in cases), self._settles)

    def _settle(self, case: Case) -> list[Outcome]:
        task, level = self._by_adapter[case.adapter]
        outcomes = settle_case(task, case, self._required)
        return outcomes if level < 0 else [outcome._replace(level=level) for outcome in outcomes]


def settle_case(task: AnyTask, case: Case, required: frozenset[str]) -> list[Outcome]:
    """What a row's answers mean for each of its results."""
    return [outcome for outcome, _ in settle_with_results(task, case, required)]


def settle_with_results(task: AnyTask, case: Case, required: frozenset[str]) -> list[tuple[Outcome, Result | None]]:
    """As `settle_case`, each with what was parsed, if it is ok."""
    (_, position), record, answers, truncated, _, _ = case
    branches = task.branches(record)
    num_branches = len(branches)
    settled: list[tuple[Outcome, Result | None]] = []
    for index, keys in enumerate(branches):
        own = [answer for name, answer in answers.items() if task.concerns(name, index)]
        completions = [answer for answer in own if isinstance(answer, Completion)]
        cost = cost_of(completions)
        try:
            result = task.parse(record, index, answers)
            if required:
                _refuse_failed_checks(result, required)
        except RowError as error:
            said = error.answer or (completions[-1].text if completions else None)
            failure = Failure(error.error_class, error.message, attempts=len(own), answer=said)
            settled.append((Outcome(position, index, num_branches, truncated, cost, dict(keys), failure), None))
        else:
            values = type(result).__pydantic_serializer__.to_python(result)  # `model_dump`, in half the time
            settled.append((Outcome(position, index, num_branches, truncated, cost, values, None), result))
    return settled


def _refuse_failed_checks(result: Result, required: frozenset[str]) -> None:
    if isinstance(result, CheckedResult):
        for check in result.checks:
            if check.name in required and not check.passed:
                raise RowError(ErrorClass.CHECK_FAILED, f"{check.name}: {check.detail or 'failed'}")
