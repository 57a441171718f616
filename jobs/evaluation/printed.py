"""An evaluation for a person."""

from pathlib import Path

from rich.console import Console

from jobs.terminal import plain_table, printable
from schemas.calibration import Calibration
from schemas.evaluation import Evaluation, Figure

_SLICES_SHOWN = 12


def print_evaluation(console: Console, found: Evaluation, file: Path) -> None:
    """Figures with intervals and the human ceiling, then what lies behind them."""
    console.print(f"{found.task}: {found.compared:,} of {found.results:,} results compared", soft_wrap=True)
    _print_headline(console, found)
    _print_labels(console, found)
    _print_reliability(console, found)
    if found.checks:
        rows = [[name, _share(c.rate), f"{c.passed:,}", f"{c.failed:,}"] for name, c in found.checks.items()]
        console.print(plain_table(None, ["check", "passed", "", "failed"], rows))
    if found.fields:
        rows = [
            [f.field, _short(f.precision), _short(f.recall), _short(f.f1), _short(f.overlap), str(f.gold)]
            for f in found.fields
        ]
        console.print(plain_table(None, ["field", "precision", "recall", "F1", "overlap", "gold"], rows))
    _print_slices(console, found)
    for note in found.notes:
        console.print(f"note: {printable(note)}", soft_wrap=True)
    console.print(f"written to {printable(str(file))}", soft_wrap=True)


def _print_headline(console: Console, found: Evaluation) -> None:
    human = found.human.figures if found.human else {}
    rows = [
        [
            name,
            _value(figure),
            "" if figure.low is None or figure.high is None else f"{figure.low:.3f} … {figure.high:.3f}",
            *([f"{human[name]:.3f}" if name in human else ""] if human else []),
            f"{figure.rows:,}",
            figure.about,
        ]
        for name, figure in found.headline.items()
    ]
    columns = ["figure", "", "95 % interval", *(["one human"] if human else []), "rows", "what it is"]
    console.print(plain_table(None, columns, rows))


def _print_labels(console: Console, found: Evaluation) -> None:
    if found.labels is None:
        return
    labels = found.labels
    rows = [
        [one.label, _short(one.precision), _short(one.recall), _short(one.f1), *map(str, taken)]
        for one, taken in zip(labels.per_label, labels.confusion, strict=True)
    ]
    title = f"gold labels: {printable(labels.source)}"
    console.print(plain_table(title, ["gold", "precision", "recall", "F1", *(f"→ {n}" for n in labels.labels)], rows))


def _print_reliability(console: Console, found: Evaluation) -> None:
    if found.reliability is None:
        return
    rows = [
        [f"{b.low:.1f} … {b.high:.1f}", _short(b.confidence), _short(b.accuracy), f"{b.rows:,}"]
        for b in found.reliability.bins
        if b.rows
    ]
    console.print(plain_table(None, ["probability given", "mean", "right", "rows"], rows))


def _print_slices(console: Console, found: Evaluation) -> None:
    for slices in found.slices:
        names = [name for name, figure in found.headline.items() if figure.higher_is_better is not None][:6]
        rows = [
            [
                ", ".join(one.where.values()),
                f"{one.rows:,}",
                *(_value(one.figures[n]) if n in one.figures else "" for n in names),
            ]
            for one in slices.slices[:_SLICES_SHOWN]
        ]
        console.print(plain_table(None, [" + ".join(slices.by), "rows", *names], rows))
        for worst in slices.worst:
            where = ", ".join(f"{name} {value}" for name, value in worst.where.items())
            line = f"worst {worst.figure}: {where} ({worst.value:.3f}; all {worst.overall:.3f})"
            console.print(printable(line), soft_wrap=True)


def _value(figure: Figure) -> str:
    return f"{figure.value:.3f}" if abs(figure.value) < 10 else f"{figure.value:.1f}"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def print_calibration(console: Console, found: Calibration, file: Path) -> None:
    """What was fitted, and held-out errors without and with it."""
    rows = [[label, f"{how.weight:.2f}", f"{how.bias:+.2f}"] for label, how in found.labels.items()]
    console.print(plain_table(None, ["label", "weight", "bias"], rows))
    if found.before is not None and found.after is not None:
        before, after = found.before.model_dump(), found.after.model_dump()
        errors = [[n, f"{before[n]:.3f}", f"{after[n]:.3f}"] for n in before if None not in (before[n], after[n])]
        columns = [f"on held-out rows, {found.folds} folds", "before", "after"]
        console.print(plain_table(None, columns, errors))
    console.print(f"fitted on {found.rows:,} rows; written to {printable(str(file))}", soft_wrap=True)
