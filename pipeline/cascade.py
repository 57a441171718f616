"""A cascade: a cheaper model answers every row, and where it is not sure the next one does.

What is kept is decided row by row, from the row's own answer, by thresholds that are settled before the run: nothing
waits for other rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from pipeline import metrics
from pipeline.completions import CompletionFolder
from pipeline.elements import NO_ANSWERS, Block, Case, Outcome
from pipeline.engines.base import EngineSpec
from pipeline.outcomes import by_part, settle_with_results
from pipeline.requests import PromptRules
from pipeline.task import AnyTask
from schemas.cascade import Gate
from schemas.envelope import ErrorClass
from schemas.results import Result

UNSURE = "unsure"


@dataclass(frozen=True)
class Level:
    """A model that answers before the last one does.

    Attributes:
        model: its name, by which its rows and requests are counted.
        task, rules, engine, store: as of a plan, for this model.
        gate: which of its answers are kept.
    """

    model: str
    task: AnyTask
    rules: PromptRules
    engine: EngineSpec
    store: CompletionFolder
    gate: Gate


class KeepSureAnswers(beam.DoFn):
    """Cases with a model's answers, to outcomes by part; `unsure`: those for the next model, as if never asked."""

    def __init__(self, level: Level, number: int, required: frozenset[str]) -> None:
        self._level, self._number, self._required = level, number, required

    def process(self, cases: Block[Case]) -> Iterator[Any]:
        kept: list[tuple[int, list[Outcome]]] = []
        unsure: Block[Case] = Block()
        num_kept = num_cut = 0
        for case in cases:
            settled = settle_with_results(self._level.task, case, self._required)
            if self._is_settled(case, settled):
                kept.append((case.ref.part, [outcome._replace(level=self._number) for outcome, _ in settled]))
                num_kept, num_cut = num_kept + 1, num_cut + case.truncated
            else:
                unsure.append(case._replace(answers=NO_ANSWERS, truncated=False))
        metrics.count(metrics.TRUNCATED, num_cut)
        metrics.count(metrics.of_model(metrics.ROWS, self._level.model), num_kept)
        metrics.count_rows_done(num_kept)
        yield from by_part(kept)
        if unsure:
            yield beam.pvalue.TaggedOutput(UNSURE, unsure)

    def _is_settled(self, case: Case, settled: list[tuple[Outcome, Result | None]]) -> bool:
        """Sure of its answer, or stopped by the budget: the next model may not be asked then, either."""
        failures = [outcome.failure for outcome, _ in settled if outcome.failure]
        if failures:
            return all(failure.error_class == ErrorClass.OVER_BUDGET for failure in failures)
        result = settled[0][1] if settled else None
        judgement = None if result is None else self._level.task.judgement(result)
        return judgement is not None and self._level.gate.keeps(case.partition, *judgement)
