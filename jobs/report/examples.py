"""Rows that are shown as they are: the extremes, and some of each kind that a person would ask to see."""

from collections.abc import Callable, Sequence
from typing import Any

from jobs.report.blocks import Block, Card, Cards, Cell, Part, Table, Tone
from jobs.report.measure import Kind
from jobs.report.source import Position
from jobs.report.subject import Subject
from jobs.report.tally import Best
from jobs.report.words import name_of, shown, signed
from schemas.envelope import ID_COLUMN
from schemas.results import CHECKS_COLUMN

_SHOWN = 5
_TEXT = 260
_CARD_TEXT = 700
_NOTE = 160

Row = dict[str, Any]


def example_blocks(subject: Subject) -> list[Block]:
    """The rows to show, by what kind of run it is."""
    makers: dict[Kind, Callable[[Subject], list[Block]]] = {
        Kind.SENTIMENT: _extremes,
        Kind.LABELS: _unsure,
        Kind.TRANSLATIONS: _translations,
        Kind.CONTENT: _contents,
        Kind.REPLIES: _replies,
        Kind.COLUMNS: _facts,
    }
    return makers[subject.kind](subject)


def text_of(subject: Subject, row: Row) -> str:
    """The text that was read, or what stands for it."""
    values = [row.get(name) for name in subject.source.texts]
    first = next((value for value in values if value not in (None, "", [])), "")
    if isinstance(first, list) and first and isinstance(first[0], dict):
        return "\n".join(f"{part.get('role', '')}: {part.get('text', part.get('content', ''))}" for part in first)
    return first.decode(errors="replace") if isinstance(first, bytes) else str(first)


def _fetch(subject: Subject, positions: Sequence[Position], columns: Sequence[str]) -> list[Row]:
    texts = [name for name in subject.source.texts if name in subject.source.schema.names]
    known = [name for name in columns if subject.source.has(name)]
    return subject.source.rows(positions, list(dict.fromkeys([ID_COLUMN, *texts, *known])))


def _different(subject: Subject, rows: Sequence[Row], most: int) -> list[Row]:
    """The first rows with different texts."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(" ".join(text_of(subject, row).split()).casefold(), row)
    return list(found.values())[:most]


def _extremes(subject: Subject) -> list[Block]:
    tables: list[Block] = []
    kinds: tuple[tuple[str, Best, str, Tone], ...] = (
        ("Most positive", subject.tally.highest, "score", "good"),
        ("Most negative", subject.tally.lowest, "score", "bad"),
        ("Most uncertain", subject.tally.least_certain, "uncertainty", ""),
    )
    for title, best, column, tone in kinds:
        rows = _fetch(subject, best.positions(), ["label", column])
        if rows:
            tables.append(_table(subject, title, _different(subject, rows, _SHOWN), column, tone))
    return tables


def _unsure(subject: Subject) -> list[Block]:
    rows = _fetch(subject, subject.tally.least_certain.positions(), ["label", "uncertainty"])
    some = _fetch(subject, subject.tally.passed.positions(), ["label", "probability"])
    return [
        _table(subject, title, _different(subject, found, _SHOWN), column, "")
        for title, found, column in (
            ("Some, drawn evenly", some, "probability"),
            ("Most uncertain", rows, "uncertainty"),
        )
        if found
    ]


def _table(subject: Subject, title: str, rows: Sequence[Row], column: str, tone: Tone) -> Table:
    def cells(row: Row) -> list[Cell]:
        value = row.get(column)
        written = "–" if value is None else signed(value) if column == "score" else _written(value)
        label = Cell(shown(row.get("label", ""), 30), is_row_text=True)
        return [
            Cell(shown(text_of(subject, row), _TEXT), is_row_text=True),
            label,
            Cell(written, number=True, tone=tone),
        ]

    return Table(title, (subject.noun, "label", column), [cells(row) for row in rows], wide=True, is_even=True)


def _written(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else shown(value, 30)


def _mixed(subject: Subject, columns: Sequence[str], bad: int = 4, good: int = 4) -> list[Row]:
    """Results that failed a check, then such that did not."""
    failed = _fetch(subject, subject.tally.complained.positions(), [*columns, CHECKS_COLUMN])
    passed = _fetch(subject, subject.tally.passed.positions(), [*columns, CHECKS_COLUMN])
    return [*failed[:bad], *passed[:good]]


def _complaints(row: Row) -> list[str]:
    failed = [check for check in row.get(CHECKS_COLUMN) or () if check.get("passed") is False]
    return [f"{shown(c['name'], 40)}: {shown(c.get('detail') or 'failed', _NOTE)}" for c in failed]


def _check_mark(row: Row) -> tuple[str, Tone]:
    count = len(_complaints(row))
    return (f"{count} failed check{'s' if count > 1 else ''}", "bad") if count else ("checks passed", "good")


def _translations(subject: Subject) -> list[Block]:
    columns = ("translation", "target_language", "source_language", "passed_through", "quality_estimate")
    cards = []
    for row in _mixed(subject, columns):
        marks: list[tuple[str, Tone]] = [_check_mark(row)]
        quality = row.get("quality_estimate")
        if row.get("passed_through"):
            marks.append(("passed through as it was", "quiet"))
        if isinstance(quality, float):
            marks.append((f"way there and back: chrF {quality:.0f}", "quiet"))
        parts = (
            Part(
                shown(row.get("source_language") or "source", 12), shown(text_of(subject, row), _CARD_TEXT, lines=True)
            ),
            Part(shown(row.get("target_language"), 12), shown(row.get("translation") or "", _CARD_TEXT, lines=True)),
        )
        cards.append(Card("", parts, marks=marks, notes=_complaints(row)))
    note = "Some that failed a check, and some that passed all, drawn evenly."
    return [Cards("Side by side", note, cards, side_by_side=True)] if cards else []


def _contents(subject: Subject) -> list[Block]:
    cards = []
    for row in _mixed(subject, ("title", "body", "hashtags", "sections", "format", "language", "variant", "words")):
        body = [row.get("body") or "", *(f"• {section}" for section in row.get("sections") or ())]
        text = "\n".join(str(line) for line in body if line)
        parts = (Part(shown(text_of(subject, row), 120), shown(text, _CARD_TEXT, lines=True)),)
        quiet: list[tuple[str, Tone]] = [
            (shown(name_of(str(row[name])), 30), "quiet") for name in ("format", "language") if row.get(name)
        ]
        words: list[tuple[str, Tone]] = [(f"{row['words']} words", "quiet")] if row.get("words") else []
        tags = [shown(tag, 40) for tag in (row.get("hashtags") or ())[:8]]
        marks = [_check_mark(row), *quiet, *words]
        cards.append(Card(shown(row.get("title") or "", 140), parts, tags, marks, _complaints(row)))
    note = "Some that failed a check, and some that passed all, drawn evenly; above each text its topic."
    return [Cards("What was written", note, cards)] if cards else []


def _replies(subject: Subject) -> list[Block]:
    columns = ("reply", "intent", "intent_probability", "needs_human", "needs_human_reason", "language")
    chosen = _fetch(subject, subject.tally.chosen.positions(), [*columns, CHECKS_COLUMN])
    others = [row for row in _mixed(subject, columns, bad=2) if not row.get("needs_human")]
    cards = []
    for row in [*chosen[:4], *others]:
        reason = row.get("needs_human_reason")
        person: tuple[str, Tone] = (
            (f"needs a person{f': {name_of(reason)}' if reason else ''}", "bad")
            if row.get("needs_human")
            else ("needs no person", "good")
        )
        marks: list[tuple[str, Tone]] = [person, (name_of(str(row.get("intent"))), "quiet")]
        marks.append((shown(row.get("language"), 12), "quiet"))
        conversation = shown(text_of(subject, row), _CARD_TEXT, lines=True)
        parts = (
            Part("conversation", conversation),
            Part("draft", shown(row.get("reply") or "", _CARD_TEXT, lines=True)),
        )
        cards.append(Card("", parts, marks=marks, notes=_complaints(row)))
    note = "Drafts that a person must look at first, then others, drawn evenly."
    return [Cards("Drafts", note, cards, side_by_side=True)] if cards else []


def _facts(subject: Subject) -> list[Block]:
    answers = [name for name in subject.source.answer_columns if name != CHECKS_COLUMN][:8]
    cards = []
    for row in _mixed(subject, answers, bad=3, good=3):
        found = [
            f"{shown(name, 40)}: {shown(row[name], 160)}" for name in answers if row.get(name) not in (None, [], "")
        ]
        parts = (
            Part(
                subject.source.texts[0] if subject.source.texts else "", shown(text_of(subject, row), 500, lines=True)
            ),
            Part("answer", "\n".join(found) or "nothing"),
        )
        marks: list[tuple[str, Tone]] = [_check_mark(row)] if subject.source.has(CHECKS_COLUMN) else []
        cards.append(Card("", parts, marks=marks, notes=_complaints(row)))
    return [Cards("Some results", "Drawn evenly.", cards, side_by_side=True)] if cards else []
