"""How good the results are, where they were evaluated: read from what `textmill evaluate` left beside them."""

from pydantic import ValidationError

from jobs.report.blocks import Block, Cell, Figure, Section, Table
from jobs.report.pictures import spreads
from jobs.report.subject import Subject
from jobs.report.words import listed, name_of, percent, shown
from schemas import evaluation

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


def evaluation_section(subject: Subject) -> Section | None:
    """The section; None without an evaluation of this very run that can be read."""
    try:
        content = (subject.source.output / evaluation.EVALUATION_NAME).read_bytes()
        found = evaluation.Evaluation.model_validate_json(content)
    except (OSError, ValidationError):
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


def _value(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _interval(figure: evaluation.Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{_value(figure.low)} … {_value(figure.high)}"


def _headline(found: evaluation.Evaluation) -> Block:
    rows = [
        (
            Cell(_called(name)),
            Cell(_value(figure.value), number=True),
            Cell(_interval(figure), number=True),
            Cell(f"{figure.rows:,}", number=True),
            Cell(shown(figure.about, 200)),
        )
        for name, figure in found.headline.items()
    ]
    return Table("Figures", ("figure", "value", "95 % interval", "rows", "what it is"), rows, wide=True)


def _human(found: evaluation.Evaluation) -> list[Block]:
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


def _confusion(found: evaluation.Evaluation) -> list[Block]:
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
    note = "Down: the label that is right; across: the one given. The stronger, the larger the share of its line."
    return [Figure("confusion", title, note, spreads.heat(names, names, cells, labels))]


def _reliability(found: evaluation.Evaluation) -> list[Block]:
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


def _fields(found: evaluation.Evaluation) -> list[Block]:
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


def _slices(found: evaluation.Evaluation) -> list[Block]:
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


def _slice_row(one: evaluation.Slice, names: list[str]) -> list[Cell]:
    values = [one.figures.get(name) for name in names]
    cells = [Cell(_value(value.value) if value else "–", number=True) for value in values]
    return [Cell(_where(one.where), is_row_text=True), Cell(f"{one.rows:,}", number=True), *cells]


def _where(where: dict[str, str]) -> str:
    return listed([f"{shown(value, 30)}" for value in where.values()])
