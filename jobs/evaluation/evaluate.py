"""The evaluation of a run, put together and written beside its results."""

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jobs.evaluation.bootstrap import Bools, Resampling
from jobs.evaluation.gold import Compared, read_compared
from jobs.evaluation.items import Items, read_aspects, read_fields, read_label_sets
from jobs.evaluation.opinions import read_opinions, without_strange_labels
from jobs.evaluation.settings import EvaluationSettings
from jobs.evaluation.slices import slice_by
from jobs.evaluation.texts import read_checked, read_written
from jobs.evaluation.translations import read_translated
from pipeline.errors import RunError, UsageError
from pipeline.run_folder import read_manifest
from schemas.evaluation import EVALUATION_NAME, Evaluation, Figure


class Part(Protocol):
    """Something about a run's rows that has figures."""

    def among(self, rows: Bools) -> "Part":
        """The same of some rows of the table."""
        ...

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """By name; those that are not defined are left out."""
        ...


class GoldPart(Part, Protocol):
    """The same of the rows that have gold."""

    @property
    def where(self) -> Bools:
        """For each row of the table, whether it is one of these."""
        ...


@dataclass
class _Findings:
    """What is known about a run: parts with figures, and the fields of `Evaluation` that are no figures."""

    parts: list[Part] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    with_gold: list[Bools] = field(default_factory=list)

    def add(self, part: GoldPart) -> None:
        self.parts.append(part)
        self.with_gold.append(part.where)

    def add_items(self, items: Items) -> None:
        self.add(items)
        self.more["fields"] = items.scores()

    def num_compared(self, num_rows: int) -> int:
        """How many rows have gold of any kind; all where none is needed."""
        return int(np.logical_or.reduce(self.with_gold).sum()) if self.with_gold else num_rows

    def figures(self, resampling: Resampling, rows: Bools | None = None) -> dict[str, Figure]:
        found: dict[str, Figure] = {}
        for part in self.parts:
            found |= (part if rows is None else part.among(rows)).figures(resampling)
        return found


def evaluate(output: Path, settings: EvaluationSettings, now: datetime) -> Evaluation:
    """Evaluate the ok results of a complete run.

    Raises:
        UsageError: if there is no complete run, no gold where it is needed, or nothing to compare.
    """
    compared = without_strange_labels(read_compared(output, settings), settings)
    if not compared.results.num_rows:
        raise UsageError(f"{output} has no ok results to evaluate")
    findings = _find(compared, settings)
    resampling = settings.resampling
    headline = findings.figures(resampling)
    if not headline:
        raise UsageError(f"there is nothing to say about a run of {compared.manifest.task} without gold")
    slices = [
        slice_by(compared.results, compared.gold, by, lambda rows: findings.figures(resampling, rows), headline)
        for by in settings.by
    ]
    return Evaluation(
        run_id=compared.manifest.run_id,
        task=compared.manifest.task,
        evaluated=now,
        gold=None if settings.gold is None else str(settings.gold),
        columns=compared.columns,
        results=compared.manifest.counts.results,
        ok=compared.ok,
        compared=findings.num_compared(compared.results.num_rows),
        resamples=resampling.resamples,
        seed=resampling.seed,
        headline=headline,
        slices=slices,
        notes=[*compared.notes, *findings.notes],
        **findings.more,
    )


def _find(compared: Compared, settings: EvaluationSettings) -> _Findings:
    """What there is to compare."""
    found = _Findings()
    if not compared.extracts:
        _find_by_name(found, compared, settings)
    elif (fields := read_fields(compared)) is not None:
        found.add_items(fields)
    if (checked := read_checked(compared.answers)) is not None:
        found.parts.append(checked)
        found.more["checks"] = checked.rates()
    if not compared.extracts and (written := read_written(compared.answers)) is not None:
        found.parts.append(written)
    return found


def _find_by_name(found: _Findings, compared: Compared, settings: EvaluationSettings) -> None:
    """It goes by the columns that the task made, so that a task of one's own is evaluated likewise."""
    has_labels = "label" in compared.made
    aspects = read_aspects(compared)
    sets = read_label_sets(compared)
    if sets is not None:
        found.add_items(sets)
    elif has_labels and (aspects is None or {"label", "rating"} & set(compared.columns)):
        _add_opinions(found, compared, settings)
    if aspects is not None:
        found.add_items(aspects)
    if (translated := read_translated(compared)) is not None:
        found.add(translated)
        found.more["signatures"] = translated.signatures()
    elif not has_labels and (fields := read_fields(compared)) is not None:
        found.add_items(fields)


def _add_opinions(found: _Findings, compared: Compared, settings: EvaluationSettings) -> None:
    opinions = read_opinions(compared, settings)
    if opinions.labelled is not None:
        found.add(opinions.labelled)
        found.more["labels"] = opinions.labelled.summary(opinions.source, opinions.merged)
        used = compared.manifest.calibration
        if used is not None and used.method != "batch":
            found.notes.append(
                f"calibrated by {used.file}: on the {used.rows:,} rows that it was fitted on figures flatter; "
                "its held-out errors are in that file"
            )
        found.more["reliability"] = opinions.labelled.reliability(used.digest if used else None)
    if opinions.rated is not None:
        found.add(opinions.rated)
    found.more |= {"scale": opinions.scale, "human": opinions.human}
    found.notes += opinions.notes


def write_evaluation(output: Path, evaluation: Evaluation) -> Path:
    """Put an evaluation beside the results that it is of, whole, in place of an earlier one.

    A run that replaces the folder takes it away: it was about the results before.

    Raises:
        RunError: if it cannot be written, or other results are there meanwhile.
    """
    file = output / EVALUATION_NAME
    scratch = output.absolute().parent / f".{output.absolute().name}.{EVALUATION_NAME}.{os.getpid()}"
    try:
        scratch.write_text(evaluation.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if read_manifest(output).run_id != evaluation.run_id:
            raise RunError(f"{output} has the results of another run meanwhile", "evaluate again")
        scratch.rename(file)
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror}") from None
    finally:
        scratch.unlink(missing_ok=True)
    return file
