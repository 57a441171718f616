"""What the answers say: labels, scores, aspects, intents, and the columns of facts."""

from collections.abc import Sequence

import numpy as np

from jobs.report import theme
from jobs.report.blocks import Block, Cell, Figure, Table
from jobs.report.fields import FieldTally
from jobs.report.measure import SENTIMENT_LABELS, Kind
from jobs.report.pictures import bars, spreads
from jobs.report.subject import Subject
from jobs.report.tally import SCORE_EDGES, UNCERTAINTY_EDGES
from jobs.report.words import name_of, number, percent, share_of, shown, signed

_MOST = 14
_ASPECTS = 16
_UNSURE = 0.5


def label_figure(subject: Subject) -> list[Block]:
    """How many rows have which label."""
    classes, total = subject.tally.classes, subject.tally.classes.total()
    if subject.kind not in (Kind.SENTIMENT, Kind.LABELS) or not total:
        return []
    if subject.kind is Kind.SENTIMENT:
        order = [(label, classes[label]) for label in reversed(SENTIMENT_LABELS) if classes[label]]
        order = order or classes.most_common(_MOST)
        colours: Sequence[str] | None = [theme.SENTIMENT_COLOURS.get(label, theme.ACCENT) for label, _ in order]
    else:
        order, colours = classes.most_common(_MOST), None
    top, count = classes.most_common(1)[0]
    sentence = share_of(count / total, subject.noun)
    title = f"{sentence} {top}" if subject.kind is Kind.SENTIMENT else f"{sentence} labelled “{shown(top, 30)}”"
    rows = [(name, float(n), f"{percent(n / total)}  ·  {n:,}") for name, n in order]
    left = len(classes) - len(rows)
    note = f"{subject.noun.capitalize()} by label" + (f"; {left} rarer labels are left out." if left > 0 else ".")
    return [Figure("labels", title, note, bars.bars(rows, colours))]


def score_figures(subject: Subject) -> list[Block]:
    """How scores and uncertainty are distributed."""
    found: list[Block] = []
    scores, unsure = subject.tally.scores, subject.tally.uncertainties
    if scores.sum():
        mean = subject.tally.score_sum / scores.sum()
        middles = (SCORE_EDGES[:-1] + SCORE_EDGES[1:]) / 2
        colours = [theme.POSITIVE if m > 0.05 else theme.NEGATIVE if m < -0.05 else theme.NEUTRAL for m in middles]
        title = f"The mean score is {signed(float(mean))}"
        note = f"{subject.noun.capitalize()} by score: the probability of positive less that of negative."
        draw = spreads.histogram(SCORE_EDGES.tolist(), scores.tolist(), colours, "score, −1 to +1")
        found.append(Figure("scores", title, note, draw))
    if unsure.sum():
        high = float(unsure[UNCERTAINTY_EDGES[:-1] >= _UNSURE - 1e-9].sum() / unsure.sum())
        noun = subject.noun
        title = f"The model is unsure about {percent(high)} of the {noun}"
        note = f"{noun.capitalize()} by uncertainty: 0 is certain, 1 anyone’s guess; in full colour: over {_UNSURE}."
        colours = [theme.ACCENT if low >= _UNSURE - 1e-9 else theme.ACCENT_LIGHT for low in UNCERTAINTY_EDGES[:-1]]
        draw = spreads.histogram(UNCERTAINTY_EDGES.tolist(), unsure.tolist(), colours, "uncertainty, 0 to 1")
        found.append(Figure("uncertainty", title, note, draw))
    return found


def aspect_figure(subject: Subject) -> list[Block]:
    """The aspects, those that are praised most first."""
    mentioned: dict[str, dict[str, int]] = {}
    for (aspect, label), count in subject.tally.aspects.items():
        if label != "not_mentioned":
            mentioned.setdefault(aspect, {})[label] = count
    if not mentioned:
        return []
    often = sorted(mentioned.items(), key=lambda one: (-sum(one[1].values()), one[0]))[:_ASPECTS]

    def balance(one: tuple[str, dict[str, int]]) -> float:
        return (one[1].get("positive", 0) - one[1].get("negative", 0)) / sum(one[1].values())

    ranked = sorted(often, key=lambda one: (-balance(one), one[0]))
    rows = [
        (name, [c.get(label, 0) / sum(c.values()) for label in SENTIMENT_LABELS], f"{sum(c.values()):,}×")
        for name, c in ranked
    ]
    title = f"Best liked: {shown(ranked[0][0], 30)}"
    if len(ranked) > 1:
        title += f"; least liked: {shown(ranked[-1][0], 30)}"
    note = f"What {subject.noun} say of an aspect where they mention it; at the right, how often they do."
    colours = [theme.SENTIMENT_COLOURS[label] for label in SENTIMENT_LABELS]
    return [Figure("aspects", title, note, bars.shares(rows, SENTIMENT_LABELS, colours), wide=True)]


def reply_figures(subject: Subject) -> list[Block]:
    """What customers want, and why a person must take over."""
    found: list[Block] = []
    for name, counts, what, note in (
        ("intents", subject.tally.intents, "intent", "Conversations by intent, as the model understands them."),
        ("reasons", subject.tally.reasons, "reason to hand over", "Conversations that need a person, by reason."),
    ):
        if counts:
            total, top = counts.total(), name_of(counts.most_common(1)[0][0])
            rows = [(name_of(n), float(c), f"{percent(c / total)}  ·  {c:,}") for n, c in counts.most_common(_MOST)]
            found.append(Figure(name, f"The most frequent {what} is “{top}”", note, bars.bars(rows)))
    return found


def field_blocks(subject: Subject) -> list[Block]:
    """Each column of facts: how often it is filled and with what."""
    fields = subject.tally.fields
    if not fields:
        return []
    rows = [
        (
            Cell(one.column, is_row_text=True),
            Cell(percent(one.filled / one.rows) if one.rows else "–", number=True),
            Cell(_about(one), is_row_text=True),
        )
        for one in fields
    ]
    blocks: list[Block] = [Table("The columns", ("column", "filled", "what stands there"), rows, wide=True)]
    return blocks + [figure for i, one in enumerate(fields) for figure in _field_figure(one, f"column-{i + 1}")]


def _about(one: FieldTally) -> str:
    if not one.filled:
        return "nothing"
    if one.is_number:
        middle = number(float(np.median(one.sample))) if len(one.sample) else "–"
        return f"{number(one.low)} to {number(one.high)}, half of them up to {middle}"
    if not one.values:
        return "texts or lists"
    total = one.values.total()
    common = [f"{shown(name, 40)} ({percent(count / total)})" for name, count in one.values.most_common(3)]
    different = f"more than {len(one.values):,}" if one.many else f"{len(one.values):,}"
    return common[0] if len(one.values) == 1 else f"{different} different; most often {', '.join(common)}"


def _field_figure(one: FieldTally, name: str) -> list[Figure]:
    what = shown(name_of(one.column), 40)
    if one.is_number and len(one.sample) > 1 and one.high > one.low:
        low, high = np.quantile(one.sample, [0.01, 0.99])
        inside = one.sample[(one.sample >= low) & (one.sample <= high)]
        counts, edges = np.histogram(inside, bins=min(20, max(4, len(np.unique(inside)))))
        draw = spreads.histogram(edges.tolist(), counts.tolist(), [theme.ACCENT] * len(counts), what)
        drawn = "" if one.filled <= len(one.sample) else f" of {len(one.sample):,} rows drawn evenly"
        title = f"{what.capitalize()}: half are up to {number(float(np.median(one.sample)))}"
        return [Figure(name, title, f"Results by {what}{drawn}, without the outermost 1 % at each end.", draw)]
    if not one.values or one.many or not 1 < len(one.values) <= 30:
        return []
    total = one.values.total()
    top, count = one.values.most_common(1)[0]
    rows = [(n, float(c), f"{percent(c / total)}  ·  {c:,}") for n, c in one.values.most_common(8)]
    title = f"{what.capitalize()}: most often “{shown(top, 24)}”, {percent(count / total)}"
    return [Figure(name, title, f"Results by {what}, where it is filled.", bars.bars(rows))]
