"""From answers to outcomes: parse, check, and settle each result of a row."""

from collections.abc import Iterator, Sequence

import apache_beam as beam

from pipeline import metrics
from pipeline.elements import Case, Completion, Failure, Outcome, RowRef
from pipeline.errors import RowError
from pipeline.task import AnyTask
from schemas.envelope import ErrorClass
from schemas.results import CheckedResult, Result

DEAD = "dead"

Settled = tuple[int, Outcome]
"""The part a row belongs to, and one of its outcomes."""


def fail_row(task: AnyTask, ref: RowRef, error: RowError) -> Iterator[Settled]:
    """The outcomes of a row that is not valid: one for each result that it would have had."""
    failure = Failure(error.error_class, error.message, attempts=0, answer=error.answer)
    branches = task.branches(None)
    for index, keys in enumerate(branches):
        yield ref.part, Outcome(ref.position, index, len(branches), False, (), dict(keys), failure)


class ParseAnswers(beam.DoFn):
    """Cases that have all their answers, to outcomes.

    Args:
        task: whose answers they are.
        required: names of checks that a result must pass.
    """

    def __init__(self, task: AnyTask, required: Sequence[str]) -> None:
        self._task, self._required = task, frozenset(required)

    def process(self, case: Case) -> Iterator[Settled]:
        if case.truncated:
            metrics.count(metrics.TRUNCATED)
        for outcome in settle_case(self._task, case, self._required):
            yield case.ref.part, outcome


def settle_case(task: AnyTask, case: Case, required: frozenset[str]) -> Iterator[Outcome]:
    """What a row's answers mean for each of its results."""
    branches = task.branches(case.record)
    for index, keys in enumerate(branches):
        answers = [answer for name, answer in case.answers.items() if task.concerns(name, index)]
        completions = tuple(answer for answer in answers if isinstance(answer, Completion))
        place = (case.ref.position, index, len(branches), case.truncated)
        try:
            result = task.parse(case.record, index, case.answers)
            _refuse_failed_checks(result, required)
        except RowError as error:
            said = error.answer or (completions[-1].text if completions else None)
            failure = Failure(error.error_class, error.message, attempts=len(answers), answer=said)
            yield Outcome(*place, completions, dict(keys), failure)
        else:
            yield Outcome(*place, completions, result.model_dump(), None)


def _refuse_failed_checks(result: Result, required: frozenset[str]) -> None:
    if required and isinstance(result, CheckedResult):
        for check in result.checks:
            if check.name in required and not check.passed:
                raise RowError(ErrorClass.CHECK_FAILED, f"{check.name}: {check.detail or 'failed'}")


def count_outcome(settled: Settled) -> Settled:
    """Count how a result ended, and pass it on."""
    _, outcome = settled
    if outcome.failure is None:
        metrics.count(metrics.OK)
        for check in outcome.values.get("checks") or ():
            metrics.count(metrics.check_ended(check["name"], check["passed"]))
    else:
        metrics.count(metrics.FAILED)
        metrics.count(metrics.failed_as(outcome.failure.error_class))
    return settled
