"""The flow: every step of every job, on one screen."""

from collections.abc import Mapping
from dataclasses import dataclass

import apache_beam as beam

from pipeline.completions import AppendCompletions, CompletionFolder, ReadCompletions
from pipeline.engines.base import EngineSpec
from pipeline.inference import Complete
from pipeline.outputs import OutputLayout, WriteResults
from pipeline.requests import (
    DEAD,
    MISSING,
    OK,
    BuildRequests,
    FingerprintRecords,
    ParseCompletions,
    PromptRules,
    ValidateRows,
    count_outcome,
    split_by_known,
)
from pipeline.rows import Part, ReadRows
from pipeline.task import AnyTask


@dataclass(frozen=True)
class Plan:
    """All that a run is, settled before it starts; it pickles small.

    Attributes:
        task: what is asked.
        parts: what is read.
        columns: record field → input column.
        rules: how prompts are made.
        engine: what answers.
        store: where answers are kept.
        folder: where results are written until they are committed.
        layout: the columns of the results.
    """

    task: AnyTask
    parts: tuple[Part, ...]
    columns: Mapping[str, str]
    rules: PromptRules
    engine: EngineSpec
    store: CompletionFolder
    folder: str
    layout: OutputLayout


def build_flow(p: beam.Pipeline, plan: Plan) -> None:
    """Wire the steps of a run into a pipeline."""
    rows = p | "ReadRows" >> ReadRows(plan.parts, plan.columns)
    records = rows | "ValidateRows" >> beam.ParDo(ValidateRows(plan.task)).with_outputs(DEAD, main=OK)
    askers = records.ok | "FingerprintRecords" >> beam.ParDo(FingerprintRecords(plan.task, plan.rules)).with_outputs(
        DEAD, main=OK
    )

    known = p | "ReadCompletions" >> ReadCompletions(plan.store)
    grouped = (
        {"askers": askers.ok, "known": known}
        | "GroupByFingerprint" >> beam.CoGroupByKey()
        | "SplitByKnown" >> beam.FlatMap(split_by_known).with_outputs(MISSING, main=OK)
    )
    fresh = (
        grouped.missing
        | "BuildRequests" >> beam.ParDo(BuildRequests(plan.task, plan.rules))
        | "Complete" >> beam.ParDo(Complete(plan.engine))
        | "AppendCompletions" >> beam.ParDo(AppendCompletions(plan.store))
    )
    results = (
        (grouped.ok, fresh)
        | "Answers" >> beam.Flatten()
        | "ParseCompletions" >> beam.ParDo(ParseCompletions(plan.task))
    )

    outcomes = (results, records.dead, askers.dead) | "Outcomes" >> beam.Flatten() | "Count" >> beam.Map(count_outcome)
    parts = p | "Parts" >> beam.Create([(part.index, part) for part in plan.parts if part.rows])
    _ = (
        {"part": parts, "outcomes": outcomes}
        | "GroupByPart" >> beam.CoGroupByKey()
        | "WriteResults" >> beam.ParDo(WriteResults(plan.folder, plan.layout))
    )
