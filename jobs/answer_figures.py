"""A run's answers in a few figures: means of numbers, shares of labels."""

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from jobs.answer_columns import MAX_VALUES, has_categories
from jobs.pairing import APART
from jobs.run_output import RunOutput


@dataclass(frozen=True)
class AnswerFigures:
    """Of the rows that have an answer.

    Attributes:
        means: of each column of numbers.
        shares: of each value, the most frequent first, in each column of few values.
    """

    means: dict[str, float] = field(default_factory=dict)
    shares: dict[str, dict[str, float]] = field(default_factory=dict)


def answer_figures(run: RunOutput) -> AnswerFigures:
    """Read a run's answer columns once, batch by batch; of one with many texts not more than is needed to see that."""
    found = AnswerFigures()
    for name in (name for name in run.answer_columns if name not in APART):
        kind = run.schema[name]
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            if (mean := _mean(run, name)) is not None:
                found.means[name] = mean
        elif (pa.types.is_string(kind) or pa.types.is_boolean(kind)) and (shares := _shares(run, name)):
            found.shares[name] = shares
    return found


def _mean(run: RunOutput, name: str) -> float | None:
    total, number = 0.0, 0
    for batch in run.batches(name):
        total += pc.sum(batch).as_py() or 0.0
        number += len(batch) - batch.null_count
    return total / number if number else None


def _shares(run: RunOutput, name: str) -> dict[str, float]:
    tally: Counter[str] = Counter()
    for batch in run.batches(name):
        for count in pc.value_counts(pc.drop_null(pc.cast(batch, pa.string()))):
            tally[count["values"].as_py()] += count["counts"].as_py()
        if len(tally) > MAX_VALUES and not run.choice_labels.issuperset(tally):
            return {}
    if not has_categories(tally, tally.total(), run.choice_labels):
        return {}
    return {value: number / tally.total() for value, number in tally.most_common()}
