"""The evaluation of a run's results, which lies beside them as `evaluation.json`."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

EVALUATION_NAME = "evaluation.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(_Part):
    """A figure with its 95 % bootstrap interval.

    Attributes:
        value: on the scale that `about` names.
        low, high: the interval; null where the figure is not one of resampled rows.
        rows: how many rows it is of.
        about: what it is, in a few words, its range or unit included.
        higher_is_better: which way is good; null if neither.
    """

    value: float
    low: float | None = None
    high: float | None = None
    rows: int
    about: str
    higher_is_better: bool | None = True


class LabelScore(_Part):
    """How well one label was found.

    Attributes:
        gold, predicted: how many rows have it by the gold, and by the run.
        precision, recall, f1: in [0, 1]; precision is null where it was never predicted, recall where no gold has it.
    """

    label: str
    gold: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None


class LabelFigures(_Part):
    """Labels against gold labels.

    Attributes:
        source: where the gold labels are from: a column, or how they follow from ratings.
        confusion: rows by gold label, then by predicted label, both in the order of `labels`.
        merged: labels of the task that count as another one, for the gold cannot tell them apart.
    """

    source: str
    labels: list[str]
    confusion: list[list[int]]
    per_label: list[LabelScore]
    merged: dict[str, str] = Field(default_factory=dict)


class ReliabilityBin(_Part):
    """Rows whose label was given with a probability in (low, high].

    Attributes:
        confidence: their mean probability of the label given; null without rows.
        accuracy: the share whose label is right; null without rows.
    """

    low: float
    high: float
    rows: int
    confidence: float | None
    accuracy: float | None


class Reliability(_Part):
    """Whether probabilities are as often right as they say.

    Attributes:
        bins: of equal width over [0, 1], by the probability of the label given.
        ece: expected calibration error: the bins' |confidence - accuracy|, weighted by their rows, in [0, 1].
        brier: mean squared distance of the probabilities from the gold label's (1 and 0), over labels; in [0, 2].
        calibration: digest of the calibration that the run used, null without one.
    """

    bins: list[ReliabilityBin]
    ece: float
    brier: float
    calibration: str | None = None


class RatingScale(_Part):
    """The scale of human ratings; its middle is neutral.

    Attributes:
        neutral_within: a mean rating nearer to the middle than this is neutral.
        predicted_by: the column that was compared, and how it was brought to the scale.
    """

    low: float
    high: float
    neutral_within: float
    predicted_by: str


class HumanCeiling(_Part):
    """One human against the mean of the others, beside the run against the mean of all.

    Attributes:
        rows: those with at least two ratings.
        ratings: of all rows together.
        draws: how often a rater of each row was drawn; figures are means over the draws.
        figures: by the names of the headline's.
    """

    rows: int
    ratings: int
    draws: int
    figures: dict[str, float]


class CheckRate(_Part):
    """How many results passed a check; `rate` is null if none was checked."""

    passed: int
    failed: int
    rate: float | None


class Slice(_Part):
    """The figures of the rows with one value in each of some columns."""

    where: dict[str, str]
    rows: int
    figures: dict[str, Figure]


class WorstSlice(_Part):
    """The slice with the worst value of a figure, among those with enough rows."""

    figure: str
    where: dict[str, str]
    value: float
    overall: float


class Slices(_Part):
    """All slices by some columns.

    Attributes:
        min_rows: a smaller slice is listed, but never named the worst.
        left_out: slices beyond the most that are kept; the largest are.
    """

    by: list[str]
    min_rows: int
    slices: list[Slice]
    worst: list[WorstSlice]
    left_out: int = 0


class FieldScore(_Part):
    """How well one field was extracted, or one kind of item found.

    Attributes:
        precision, recall, f1: of exact values; null where nothing was predicted, or nothing was there.
        overlap: mean token F1 of the values where both sides have one, in [0, 1]; null without such.
    """

    field: str
    gold: int
    predicted: int
    correct: int
    precision: float | None
    recall: float | None
    f1: float | None
    overlap: float | None = None


class Evaluation(_Part):
    """How good the results of a run are.

    Attributes:
        run_id: the run whose results were evaluated; redrives included.
        gold: the file with the gold columns, null if they are columns of the results.
        columns: what was compared: role → column.
        results, ok: how many results the run has, and how many of them are ok.
        compared: how many of these have gold and were compared; all that are ok where no gold is needed.
        resamples, seed: of the bootstrap.
        headline: the figures that matter, by name; `--min NAME=VALUE` refers to these.
        fields: extraction: by field; aspects: by aspect; several labels a text: by label.
        signatures: sacrebleu's, by figure: what exactly was computed.
        notes: what a reader has to know about the figures.
    """

    format: int = 1
    run_id: str
    task: str
    evaluated: datetime
    gold: str | None
    columns: dict[str, str]
    results: int
    ok: int
    compared: int
    resamples: int
    seed: int
    headline: dict[str, Figure]
    labels: LabelFigures | None = None
    reliability: Reliability | None = None
    scale: RatingScale | None = None
    human: HumanCeiling | None = None
    checks: dict[str, CheckRate] = Field(default_factory=dict)
    fields: list[FieldScore] = Field(default_factory=list)
    slices: list[Slices] = Field(default_factory=list)
    signatures: dict[str, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
