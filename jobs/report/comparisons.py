"""Groups of rows held against each other, and rows over time: what may be said of them, and its picture."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta

from jobs.report import theme
from jobs.report.blocks import Figure
from jobs.report.groups import MAX_FOUND, Group, Grouping, range_names
from jobs.report.measure import HANDOVER, PASSED, SENTIMENT_LABELS, Kind
from jobs.report.pictures import bars, spreads, times
from jobs.report.subject import Subject
from jobs.report.words import percent, shown, signed

_SURE = 3.0
"""Standard errors between two groups, or from no trend, before a difference is told: many are looked at."""
_MIN_ROWS = 5
_MOST_FIGURES, _MOST_ALIKE = 6, 2
_WHOLE = re.compile("-?[0-9]{1,15}")
_VERBS = {HANDOVER: "need a person", PASSED: "passed every check"}
Groups = list[tuple[str, Group]]
_NO_DIFFERENCE = "no difference beyond chance"
_MAX_CLASSES = 6
_EPOCH = date(1970, 1, 1)
_SPANS = ((45, "day"), (400, "week"), (2200, "month"), (math.inf, "year"))


def group_figures(subject: Subject) -> list[Figure]:
    """A figure for each column that groups the rows, those that make a difference first."""
    found: list[Figure] = []
    for grouping in subject.tally.groupings:
        groups = [] if grouping.is_date or grouping.overflowed else _largest(grouping)
        if len(groups) > 1:
            found.append(_groups(subject, grouping, groups, f"by-{len(found) + 1}"))
    if any(grouping.is_asked for grouping in subject.tally.groupings):
        return found
    alike = [figure for figure in found if figure.title.endswith(_NO_DIFFERENCE)]
    return [*(figure for figure in found if figure not in alike), *alike[:_MOST_ALIKE]][:_MOST_FIGURES]


def time_figures(subject: Subject) -> list[Figure]:
    """A figure for each column of dates."""
    found = []
    for i, grouping in enumerate(g for g in subject.tally.groupings if g.is_date):
        unit, periods = _periods(grouping)
        if len(periods) > 2:
            found.append(_over_time(subject, grouping, unit, periods, f"over-time-{i + 1}"))
    return found


def _largest(grouping: Grouping) -> Groups:
    """The largest groups with more than a few rows; ranges of numbers stay in their order."""
    if grouping.edges:
        names = range_names(grouping.edges)
        return [(names[i], grouping.groups[i]) for i in range(len(names)) if i in grouping.groups]
    groups = [(str(name), group) for name, group in grouping.groups.items() if group.rows]
    if not grouping.is_asked:
        groups = [one for one in groups if one[1].rows >= _MIN_ROWS]
    return sorted(groups, key=lambda one: (-one[1].rows, one[0]))[:MAX_FOUND]


def _groups(subject: Subject, grouping: Grouping, groups: Groups, name: str) -> Figure:
    column = subject.called(grouping.column)
    total = sum(1 for group in grouping.groups.values() if group.rows)
    note = f" The largest {len(groups)} of {total:,} groups." if total > len(groups) else ""
    if subject.kind is Kind.SENTIMENT:
        return _by_score(subject, column, groups, name, note)
    if subject.measure and subject.measure.good:
        return _by_share(subject, subject.measure.good, column, groups, name, note)
    return _by_label(subject, column, groups, name, note)


def _by_score(subject: Subject, column: str, groups: Groups, name: str, note: str) -> Figure:
    order = _in_order(groups, lambda group: group.mean)
    cut = [(n, [g.share(label) for label in SENTIMENT_LABELS], signed(g.mean)) for n, g in order]
    colours = [theme.SENTIMENT_COLOURS[label] for label in SENTIMENT_LABELS]
    legend = f"Shares of the labels among the {subject.noun} of a group; at the right the mean score, −1 to +1."
    return Figure(name, _mean_sentence(column, groups), legend + note, bars.shares(cut, SENTIMENT_LABELS, colours))


def _by_share(subject: Subject, good: str, column: str, groups: Groups, name: str, note: str) -> Figure:
    order = _in_order(groups, lambda group: group.share(good))
    rows = [(n, *_wilson(g.classes[good], g.rows), f"{percent(g.share(good))} of {g.rows:,}") for n, g in order]
    everywhere = subject.tally.classes[good] / max(1, subject.tally.classes.total())
    what = f"Share of {subject.results_noun} that {_VERBS.get(good, good)}, with its 95 % interval; dashed: of all."
    title = f"By {column}: {_share_sentence(groups, [good])}"
    return Figure(name, title, what + note, spreads.dots(rows, everywhere, ".0%"))


def _by_label(subject: Subject, column: str, groups: Groups, name: str, note: str) -> Figure:
    classes = [label for label, _ in subject.tally.classes.most_common(_MAX_CLASSES)]
    cells = [[group.share(label) for label in classes] for _, group in groups]
    most = max(max(row) for row in cells) or 1
    labels = [[percent(value) if value else "" for value in row] for row in cells]
    scaled = [[value / most for value in row] for row in cells]
    draw = spreads.heat([n for n, _ in groups], classes, scaled, labels)
    title = f"By {column}: {_share_sentence(groups, classes)}"
    return Figure(name, title, f"Share of each label among the {subject.noun} of a group." + note, draw, wide=True)


def _in_order(groups: Groups, value: Callable[[Group], float]) -> Groups:
    """Ranges in their order, whole numbers by size, all else by its value, the highest first."""
    if all(_WHOLE.fullmatch(name) for name, _ in groups):
        return sorted(groups, key=lambda one: int(one[0]))
    if all(" – " in name for name, _ in groups):
        return groups
    return sorted(groups, key=lambda one: -value(one[1]))


def _mean_sentence(column: str, groups: Groups) -> str:
    """What is surely different; else that nothing is."""
    known = sorted((one for one in groups if one[1].rows >= _MIN_ROWS), key=lambda one: one[1].mean)
    if len(known) > 1:
        (low_name, low), (high_name, high) = known[0], known[-1]
        spread = _deviation(group for _, group in groups)
        if high.mean - low.mean > _SURE * math.hypot(low.error(spread), high.error(spread)):
            best, worst = shown(high_name, 24), shown(low_name, 24)
            return f"By {column}: “{best}” is judged best, “{worst}” worst"
    return f"By {column}: {_NO_DIFFERENCE}"


def _deviation(groups: Iterable[Group]) -> float:
    """The standard deviation of the scores of all rows."""
    everyone = Group()
    for group in groups:
        everyone.add(group)
    return everyone.deviation


def _ends(groups: Groups, name: str) -> tuple[tuple[str, Group], tuple[str, Group]]:
    """The groups in which the class is least and most frequent."""
    return min(groups, key=lambda one: one[1].share(name)), max(groups, key=lambda one: one[1].share(name))


def _sureness(groups: Groups, name: str) -> float:
    """How many standard errors are between the shares of a class in the two groups that differ most."""
    (_, low), (_, high) = _ends(groups, name)
    pooled = (low.classes[name] + high.classes[name]) / (low.rows + high.rows)
    error = math.sqrt(max(1e-12, pooled * (1 - pooled) * (1 / low.rows + 1 / high.rows)))
    return (high.share(name) - low.share(name)) / error


def _share_sentence(groups: Groups, classes: Sequence[str]) -> str:
    """Of which class the share is most surely different, if it is; named where there are several."""
    known = [one for one in groups if one[1].rows >= _MIN_ROWS]
    if len(known) > 1:
        name = max(classes, key=lambda one: _sureness(known, one))
        if _sureness(known, name) > _SURE:
            (low_name, low), (high_name, high) = _ends(known, name)
            said = f"“{shown(name, 24)}” " if len(classes) > 1 else ""
            return (
                f"{said}most often “{shown(high_name, 24)}” ({percent(high.share(name))}), "
                f"least often “{shown(low_name, 24)}” ({percent(low.share(name))})"
            )
    return _NO_DIFFERENCE


def _wilson(count: int, rows: int) -> tuple[float, float, float]:
    """A share with its 95 % interval.

    Source: E.B. Wilson, JASA 22 (1927).
    """
    z, share = 1.96, count / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return share, max(0.0, middle - half), min(1.0, middle + half)


def _periods(grouping: Grouping) -> tuple[str, list[tuple[date, Group]]]:
    """The groups by day, week, month or year, as their span asks for."""
    days = sorted(day for day, group in grouping.groups.items() if isinstance(day, int) and group.rows)
    if not days:
        return "day", []
    unit = next(name for most, name in _SPANS if days[-1] - days[0] <= most)
    periods: dict[date, Group] = {}
    for day in days:
        periods.setdefault(_begin(_EPOCH + timedelta(days=day), unit), Group()).add(grouping.groups[day])
    return unit, sorted(periods.items())


def _begin(day: date, unit: str) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _over_time(
    subject: Subject, grouping: Grouping, unit: str, periods: Sequence[tuple[date, Group]], name: str
) -> Figure:
    column, form = subject.called(grouping.column), {"year": "%Y", "day": "%-d %b"}.get(unit, "%b %Y")
    if subject.kind is Kind.SENTIMENT:
        spread = _deviation(group for _, group in periods)
        known = [(day, g.mean, g.error(spread)) for day, g in periods if g.rows]
        points = [(day.isoformat(), m, max(-1, m - 2 * e), min(1, m + 2 * e)) for day, m, e in known]
        low, high = min(p[2] for p in points), max(p[3] for p in points)
        margin = 0.12 * (high - low) + 0.02
        draw = times.line(points, "mean score", "+.2f", (max(-1, low - margin), min(1, high + margin)), form)
        title = _trend_sentence("The mean score", known, signed)
        note = (
            f"Mean score of each {unit}, by the column “{column}”; from −1 to +1. The band is the mean’s 95 % interval."
        )
        return Figure(name, title, note, draw, wide=True)
    good = (subject.measure.good if subject.measure else None) or subject.tally.classes.most_common(1)[0][0]
    triples = [(day, _wilson(g.classes[good], g.rows)) for day, g in periods if g.rows]
    known = [(day, share, max(1e-3, (high - low) / 3.92)) for day, (share, low, high) in triples]
    draw = times.line([(day.isoformat(), *values) for day, values in triples], "share", ".0%", (0, 1), form)
    title = _trend_sentence(f"The share of “{shown(good, 30)}”", known, percent)
    note = f"Share of the {subject.results_noun} of each {unit}, by the column “{column}”, with its 95 % interval."
    return Figure(name, title, note, draw, wide=True)


def _trend_sentence(what: str, known: Sequence[tuple[date, float, float]], words: object) -> str:
    """Whether a line through the periods, weighted by how sure they are, surely rises or falls."""
    write = words if callable(words) else str
    known = [one for one in known if one[2] > 0]
    if len(known) < 3:
        return f"{what} over time"
    days = [float((day - known[0][0]).days) for day, _, _ in known]
    weights = [1 / error**2 for _, _, error in known]
    total = sum(weights)
    centre = sum(w * x for w, x in zip(weights, days, strict=True)) / total
    level = sum(w * v for w, (_, v, _) in zip(weights, known, strict=True)) / total
    spread = sum(w * (x - centre) ** 2 for w, x in zip(weights, days, strict=True))
    if not spread:
        return f"{what} over time"
    slope = sum(w * (x - centre) * v for w, x, (_, v, _) in zip(weights, days, known, strict=True)) / spread
    if abs(slope) * math.sqrt(spread) <= _SURE:
        return f"{what} shows no trend beyond chance"
    start, end = level + slope * (days[0] - centre), level + slope * (days[-1] - centre)
    return f"{what} {'rises' if slope > 0 else 'falls'}, from about {write(start)} to {write(end)}"
