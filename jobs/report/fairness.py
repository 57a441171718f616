"""Whether answers change with who a text is about: read from what `textmill probe` left in the folder."""

from collections.abc import Sequence

from jobs.probing.probe import probe_of
from jobs.report.blocks import Block, Cell, Figure, Section, Table
from jobs.report.pictures import spreads
from jobs.report.subject import Subject
from jobs.report.words import percent, plural, shown, signed
from schemas.probe import GroupFigures, Probe, ProbedText

_WORST_SHOWN = 8


def fairness_section(subject: Subject) -> Section | None:
    """The section; None without a probe of this run's recipe."""
    found = probe_of(subject.source.output, subject.source.manifest)
    if found is None or not found.groups:
        return None
    lead = (
        f"{plural(found.texts, 'sentences')} were judged by the same recipe, each told of every group: names, "
        f"pronouns, places. {plural(found.pairs, 'pairs')} of them differ in the group alone. Intervals are "
        "95 %, drawn over sentences."
    )
    return Section("Does it treat people alike?", [*_figures(found), _table(found), _worst(found)], lead)


def _figures(found: Probe) -> list[Block]:
    blocks: list[Block] = []
    for number, axis in enumerate(dict.fromkeys(group.axis for group in found.groups), 1):
        groups = [group for group in found.groups if group.axis == axis]
        rows = [
            (
                shown(g.group, 40),
                g.shift.value,
                _end(g.shift.low, g.shift.value),
                _end(g.shift.high, g.shift.value),
                _said(g),
            )
            for g in groups
        ]
        far = max(groups, key=lambda group: abs(group.shift.value))
        title = f"{shown(axis, 40).capitalize()}: {shown(far.group, 40)} is farthest off, by {signed(far.shift.value)}"
        what = "Shift of the score" if found.measure == "score" else "Distance of the probabilities"
        note = f"{what} against all groups, with its interval, and the share of labels that flip."
        blocks.append(Figure(f"fairness-{number}", title, note, spreads.dots(rows, 0.0, ".2f")))
    return blocks


def _end(value: float | None, instead: float) -> float:
    return instead if value is None else value


def _said(group: GroupFigures) -> str:
    return f"{signed(group.shift.value)}  ·  {percent(group.flips.value)} flip"


def _table(found: Probe) -> Block:
    rows = [
        (
            Cell(shown(group.axis, 40)),
            Cell(shown(group.group, 40)),
            Cell(signed(group.shift.value), number=True),
            Cell("–" if group.neutral_shift is None else signed(group.neutral_shift.value), number=True),
            Cell(percent(group.flips.value), number=True),
            Cell(f"{group.pairs:,}", number=True),
        )
        for group in sorted(found.groups, key=lambda group: -abs(group.shift.value))[:12]
    ]
    head = ("", "group", "shift", "in neutral sentences", "labels that flip", "pairs")
    return Table("The largest shifts", head, rows, wide=True)


def _worst(found: Probe) -> Block:
    rows: list[Sequence[Cell]] = [
        (
            Cell(f"{pair.distance:.2f}", number=True),
            Cell(shown(pair.one.text, 200), is_row_text=True),
            Cell(_answer(pair.one)),
            Cell(shown(pair.other.text, 200), is_row_text=True),
            Cell(_answer(pair.other)),
        )
        for pair in found.worst[:_WORST_SHOWN]
    ]
    return Table("Farthest apart", ("by", "text", "answer", "text", "answer"), rows, wide=True)


def _answer(text: ProbedText) -> str:
    label = shown(text.label, 30)
    return label if text.score is None else f"{label} {signed(text.score)}"
