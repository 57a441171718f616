"""How good the results are, where they were evaluated: read from what `textmill evaluate` left beside them."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.report.blocks import Block, Cell, Figure, Section, Table
from jobs.report.pictures import spreads
from jobs.report.subject import Subject
from jobs.report.words import listed, name_of, percent, shown

EVALUATION_NAME = "evaluation.json"
_CALLED = {
    "macro_f1": "macro F1",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "pearson_r": "Pearson r",
    "spearman_r": "Spearman r",
    "mae": "mean absolute error",
    "chrf": "chrF",
    "chrf_plus": "chrF++",
    "bleu": "BLEU",
    "ter": "TER",
}


class _Lenient(BaseModel):
    """What a report needs of an evaluation; all else in it is left alone."""

    model_config = ConfigDict(extra="ignore")


class _Figure(_Lenient):
    value: float
    low: float | None = None
    high: float | None = None
    rows: int = 0
    about: str = ""
    higher_is_better: bool | None = True


class _Labels(_Lenient):
    source: str = ""
    labels: list[str]
    confusion: list[list[int]]


class _Bin(_Lenient):
    rows: int
    confidence: float | None
    accuracy: float | None


class _Reliability(_Lenient):
    bins: list[_Bin]
    ece: float


class _Human(_Lenient):
    rows: int
    ratings: int
    figures: dict[str, float]


class _Field(_Lenient):
    field: str
    gold: int
    precision: float | None
    recall: float | None
    f1: float | None


class _Slice(_Lenient):
    where: dict[str, str]
    rows: int
    figures: dict[str, _Figure]


class _Worst(_Lenient):
    figure: str
    where: dict[str, str]
    value: float
    overall: float


class _Slices(_Lenient):
    by: list[str]
    slices: list[_Slice]
    worst: list[_Worst] = Field(default_factory=list)


class _Evaluation(_Lenient):
    run_id: str
    compared: int
    headline: dict[str, _Figure]
    labels: _Labels | None = None
    reliability: _Reliability | None = None
    human: _Human | None = None
    fields: list[_Field] = Field(default_factory=list)
    slices: list[_Slices] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


def evaluation_section(subject: Subject) -> Section | None:
    """The section; None without an evaluation of this very run that can be read."""
    try:
        content = json.loads((subject.source.output / EVALUATION_NAME).read_bytes())
        found = _Evaluation.model_validate(content)
    except (OSError, ValueError, ValidationError):
        return None
    if found.run_id != subject.source.manifest.run_id:
        return None
    blocks = [
        _headline(found),
        *_human(found),
        *_confusion(found),
        *_reliability(found),
        *_fields(found),
        *_slices(found),
    ]
    lead = f"{'; '.join([f'Compared on {subject.counted(found.compared)}', *found.notes])}."
    return Section("How good it is", blocks, shown(lead, 1200))


def _called(name: str) -> str:
    return _CALLED.get(name, name_of(name))


def _value(figure: _Figure) -> str:
    return f"{figure.value:.1f}" if abs(figure.value) >= 10 else f"{figure.value:.3f}"


def _headline(found: _Evaluation) -> Block:
    rows = [
        (
            Cell(_called(name)),
            Cell(_value(figure), number=True),
            Cell(
                f"{figure.low:.3f} … {figure.high:.3f}" if figure.low is not None and figure.high is not None else "",
                number=True,
            ),
            Cell(f"{figure.rows:,}", number=True),
            Cell(shown(figure.about, 200)),
        )
        for name, figure in found.headline.items()
    ]
    return Table("Figures", ("figure", "value", "95 % interval", "rows", "what it is"), rows, wide=True)


def _human(found: _Evaluation) -> list[Block]:
    if found.human is None:
        return []
    ours, theirs = found.headline, found.human.figures
    known = [name for name in theirs if name in ours and ours[name].higher_is_better]
    rows = [(_called(name), ours[name].value, theirs[name]) for name in known]
    rows = [row for row in rows if 0 <= row[1] <= 1 and 0 <= row[2] <= 1]
    if not rows:
        return []
    better = [name for name, run, human in rows if run >= human]
    title = f"As good as one person by {listed(better)}" if better else "One person still agrees more with the others"
    of = f"{found.human.rows:,} rows with {found.human.ratings:,} ratings"
    note = f"The run, and one person against the mean of the others, on {of}."
    return [Figure("human-ceiling", title, note, spreads.pairs(rows, "run", "one person"))]


def _confusion(found: _Evaluation) -> list[Block]:
    if found.labels is None or not found.labels.labels:
        return []
    names, counts = found.labels.labels, found.labels.confusion
    total = sum(map(sum, counts))
    if not total or {len(counts), *map(len, counts)} != {len(names)}:
        return []
    right = sum(counts[i][i] for i in range(len(names))) / total
    cells = [[count / max(1, sum(row)) for count in row] for row in counts]
    labels = [[f"{count:,}" if count else "" for count in row] for row in counts]
    title = f"{percent(right)} of the labels are right"
    note = "Down: the label that is right; across: the one given. The darker, the larger the share of a line."
    return [Figure("confusion", title, note, spreads.heat(names, names, cells, labels))]


def _reliability(found: _Evaluation) -> list[Block]:
    if found.reliability is None:
        return []
    bins = found.reliability.bins
    known = [(b.confidence, b.accuracy, b.rows) for b in bins if b.confidence is not None and b.accuracy is not None]
    if not known:
        return []
    over = sum((said - right) * rows for said, right, rows in known)
    ece = found.reliability.ece
    what = (
        "as sure as it is right"
        if ece < 0.05
        else "surer than it is right"
        if over > 0
        else "less sure than it is right"
    )
    title = f"The model is {what}"
    note = (
        "How often labels were right against the probability they had; "
        f"expected calibration error {ece:.2f}. On the dashed line both are equal."
    )
    return [Figure("reliability", title, note, spreads.reliability(known))]


def _fields(found: _Evaluation) -> list[Block]:
    if not found.fields:
        return []

    def cell(value: float | None) -> Cell:
        return Cell("–" if value is None else f"{value:.2f}", number=True)

    rows = [
        (
            Cell(one.field, is_row_text=True),
            Cell(f"{one.gold:,}", number=True),
            cell(one.precision),
            cell(one.recall),
            cell(one.f1),
        )
        for one in found.fields
    ]
    return [Table("By field", ("field", "in the gold", "precision", "recall", "F1"), rows)]


def _slices(found: _Evaluation) -> list[Block]:
    tables: list[Block] = []
    for slices in found.slices:
        names = list(dict.fromkeys(name for one in slices.slices for name in one.figures))[:3]
        rows = [_slice_row(one, names) for one in slices.slices[:20]]
        worst = [
            f"{_called(w.figure)} is worst for {_where(w.where)}: {w.value:.2f} against {w.overall:.2f} of all"
            for w in slices.worst[:3]
        ]
        title = f"By {listed([name_of(name) for name in slices.by])}"
        note = "; ".join(worst)[:1].upper() + "; ".join(worst)[1:] + ("." if worst else "")
        tables.append(Table(title, ("slice", "rows", *map(_called, names)), rows, note, wide=True))
    return tables


def _slice_row(one: _Slice, names: list[str]) -> list[Cell]:
    values: list[Any] = [one.figures.get(name) for name in names]
    cells = [Cell(_value(value) if value else "–", number=True) for value in values]
    return [Cell(_where(one.where), is_row_text=True), Cell(f"{one.rows:,}", number=True), *cells]


def _where(where: dict[str, str]) -> str:
    return listed([f"{shown(value, 30)}" for value in where.values()])
