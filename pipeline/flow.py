"""The flow: every step of every job, on one screen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import apache_beam as beam

from pipeline.budget import NO_BUDGET, Budget
from pipeline.completions import CompletionFolder
from pipeline.engines.base import EngineSpec
from pipeline.layout import OutputLayout
from pipeline.outcomes import DEAD, ParseAnswers
from pipeline.outputs import WriteResults
from pipeline.parts import Part
from pipeline.requests import PromptRules
from pipeline.rounds import OK, AskRound, Round
from pipeline.rows import ReadRows
from pipeline.task import AnyTask
from pipeline.validation import ValidateRows

_ROWS_IN_BUCKET = 1_000
_BUCKETS_OF_PROCESS = 16
"""At least, where there are several: what one asks is then about as much as what another one asks."""
_ROWS_IN_WAVE = 200_000
_BYTES_IN_WAVE = 64 << 20
"""Of the input, uncompressed; a row that asks many questions is held many times."""


@dataclass(frozen=True)
class Plan:
    """All that a run is, settled before it starts; it pickles small.

    Attributes:
        task: what is asked.
        required: names of checks that a result must pass.
        parts: what is read.
        columns: record field → input column.
        rules: how prompts are made.
        engine: what answers.
        run_id: names the run.
        store: where answers are kept.
        folder: where results are written until they are committed.
        layout: the columns of the results.
        budget: what may be spent.
        processes: how many may work on it at once.
    """

    task: AnyTask
    required: tuple[str, ...]
    parts: tuple[Part, ...]
    columns: Mapping[str, str]
    rules: PromptRules
    engine: EngineSpec
    run_id: str
    store: CompletionFolder
    folder: str
    layout: OutputLayout
    budget: Budget = NO_BUDGET
    processes: int = 1

    @property
    def rows(self) -> int:
        """How many rows are read."""
        return sum(part.rows for part in self.parts)

    def waves(self) -> Iterator["Plan"]:
        """The plan in slices of some parts each, for a runner that holds all it groups in memory.

        What one slice was answered is in the store when the next looks there, so it is not asked again; what failed is.
        """
        parts: list[Part] = []
        for part in self.parts:
            rows, size = (sum(sizes) for sizes in zip(*((p.rows, p.size_bytes) for p in (*parts, part)), strict=True))
            if parts and (rows > _ROWS_IN_WAVE or size > _BYTES_IN_WAVE):
                yield replace(self, parts=tuple(parts))
                parts = []
            parts.append(part)
        yield replace(self, parts=tuple(parts))


def build_flow(p: beam.Pipeline, plan: Plan) -> None:
    """Wire the steps of a run into a pipeline."""
    rows = p | "ReadRows" >> ReadRows(plan.parts, plan.columns)
    records = rows | "ValidateRows" >> beam.ParDo(ValidateRows(plan.task)).with_outputs(DEAD, main=OK)

    num_buckets = max(1 + plan.rows // _ROWS_IN_BUCKET, _BUCKETS_OF_PROCESS * (plan.processes - 1))
    needs = Round(plan.task, plan.rules, plan.engine, plan.run_id, plan.store, plan.budget, num_buckets)
    asked = records.ok | "Round1" >> AskRound(needs)
    answered = [asked["done"]]
    for number in range(2, plan.task.rounds + 1):
        cases = (asked["single"], asked["joined"]) | f"Answered{number - 1}" >> beam.Flatten()
        asked = cases | f"Round{number}" >> AskRound(needs)
        answered.append(asked["done"])
    answered += [asked["single"], asked["joined"]]
    parse = ParseAnswers(plan.task, plan.required)
    settled = [those | f"Parse{i}" >> beam.ParDo(parse) for i, those in enumerate(answered)]

    _ = (
        (records.dead, *settled)
        | "Settled" >> beam.Flatten()
        | "GroupByPart" >> beam.GroupByKey()
        | "WriteResults" >> beam.ParDo(WriteResults(plan.folder, plan.layout, plan.parts))
    )
