"""The flow: every step of every job, on one screen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import apache_beam as beam

from pipeline.beam_findings import keep_what_beam_finds
from pipeline.block_coder import register_block_coder
from pipeline.budget import NO_BUDGET, Budget
from pipeline.cascade import UNSURE, KeepSureAnswers, Level
from pipeline.completions import CompletionFolder
from pipeline.engines.base import EngineSpec
from pipeline.layout import OutputLayout
from pipeline.outcomes import DEAD, ParseAnswers
from pipeline.outputs import WriteResults
from pipeline.parts import Part
from pipeline.redaction import Redaction
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
        cheaper: models that answer first, of a cascade; what they are not sure of comes to `engine`.
        by_model: rows and requests are counted by model, too; of a cascade.
        partition: the column by which the cascade has its thresholds, or rows name their adapter.
        adapted: name of an adapter → the task, its probabilities calibrated for that one; in the order of the layout's.
        settles: rows are counted as done; not of a sample that is learnt from.
        redaction: what is kept out of it all.
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
    cheaper: tuple[Level, ...] = ()
    by_model: bool = False
    partition: str | None = None
    adapted: Mapping[str, AnyTask] = field(default_factory=dict)
    settles: bool = True
    redaction: Redaction | None = None
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
    keep_what_beam_finds()
    register_block_coder()
    rows = p | "ReadRows" >> ReadRows(
        plan.parts, plan.columns, plan.partition, plan.redaction, are_spread=plan.processes > 1
    )
    validate = ValidateRows(plan.task, plan.settles, plan.rules.adapters)
    records = rows | "ValidateRows" >> beam.ParDo(validate).with_outputs(DEAD, main=OK)

    cases, settled = records.ok, [records.dead]
    for number, level in enumerate(plan.cheaper):
        keep = KeepSureAnswers(level, number, frozenset(plan.required))
        answered = _ask(cases, _round(plan, level), f"Model{number + 1}/")
        kept = [
            those | f"Model{number + 1}/Keep{i}" >> beam.ParDo(keep).with_outputs(UNSURE, main=OK)
            for i, those in enumerate(answered)
        ]
        settled += [those.ok for those in kept]
        cases = [those.unsure for those in kept] | f"Model{number + 1}/Unsure" >> beam.Flatten()

    model = plan.layout.model if plan.by_model else None
    parse = ParseAnswers(plan.task, plan.required, model, plan.settles, plan.adapted)
    answered = _ask(cases, _round(plan, None), "")
    settled += [those | f"Parse{i}" >> beam.ParDo(parse) for i, those in enumerate(answered)]

    _ = (
        settled
        | "Settled" >> beam.Flatten()
        | "GroupByPart" >> beam.GroupByKey()
        | "WriteResults" >> beam.ParDo(WriteResults(plan.folder, plan.layout, plan.parts, plan.redaction))
    )


def _round(plan: Plan, level: Level | None) -> Round:
    """What the rounds of one model need: of a cheaper one, or of the last."""
    of = level or plan
    model = level.model if level else plan.layout.model if plan.by_model else None
    settles = plan.settles and level is None
    num_buckets = max(1 + plan.rows // _ROWS_IN_BUCKET, _BUCKETS_OF_PROCESS * (plan.processes - 1))
    return Round(of.task, of.rules, of.engine, plan.run_id, of.store, plan.budget, num_buckets, model, settles)


def _ask(cases: Any, needs: Round, prefix: str) -> list[Any]:
    """All rounds of one model: cases, in a few collections, with all of their answers."""
    asked = cases | f"{prefix}Round1" >> AskRound(needs)
    answered = [asked["done"]]
    for number in range(2, needs.task.rounds + 1):
        cases = (asked["single"], asked["joined"]) | f"{prefix}Answered{number - 1}" >> beam.Flatten()
        asked = cases | f"{prefix}Round{number}" >> AskRound(needs)
        answered.append(asked["done"])
    return [*answered, asked["single"], asked["joined"]]
