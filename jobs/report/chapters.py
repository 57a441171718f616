"""All about one run, put together."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from jobs.report.answers import aspect_figure, field_blocks, label_figure, reply_figures, score_figures
from jobs.report.blocks import Block, Chapter, Section, Tile
from jobs.report.comparisons import group_figures, time_figures
from jobs.report.evaluated import evaluation_section
from jobs.report.examples import example_blocks
from jobs.report.fairness import fairness_section
from jobs.report.measure import HANDOVER, PASSED, Kind
from jobs.report.run_blocks import run_blocks
from jobs.report.source import Source
from jobs.report.subject import Subject, look_into
from jobs.report.words import name_of, percent, plural, short_number, shown, signed, took
from jobs.savings import savings_of

_TITLES = {
    Kind.SENTIMENT: "Sentiment of {}",
    Kind.LABELS: "Labels of {}",
    Kind.TRANSLATIONS: "Translations of {}",
    Kind.CONTENT: "Texts written from {}",
    Kind.REPLIES: "Replies to {}",
}


def make_chapter(source: Source, by: tuple[str, ...], number: int) -> Chapter:
    """Read a run and say all about it.

    Raises:
        UsageError: if rows cannot be grouped by one of `by`.
    """
    subject = look_into(source, by)
    counts = subject.source.manifest.counts
    rows = subject.counted(counts.rows)
    task = shown(subject.source.manifest.task, 60)
    title = _TITLES.get(subject.kind, f"“{name_of(task)}” of {{}}").format(rows)
    return Chapter(f"run{number}", title, _lead(subject), _tiles(subject), _sections(subject))


def _sections(subject: Subject) -> list[Section]:
    answers: list[Block] = [*label_figure(subject), *score_figures(subject), *reply_figures(subject)]
    answers += [*aspect_figure(subject), *field_blocks(subject)]
    found = [
        Section("What they say" if subject.kind in (Kind.SENTIMENT, Kind.LABELS) else "What came out", answers),
        Section("Over time", time_figures(subject)),
        Section("By group", group_figures(subject)),
        Section("In their own words" if subject.kind is Kind.SENTIMENT else "Examples", example_blocks(subject)),
        evaluation_section(subject),
        fairness_section(subject),
        Section("How the run went", run_blocks(subject)),
    ]
    filled = [section for section in found if section is not None and section.blocks]
    return [replace(section, blocks=balanced(section.blocks)) for section in filled]


def balanced(blocks: Sequence[Block]) -> list[Block]:
    """The blocks; where an odd number of narrow ones would leave a gap beside the last, the first of them is wide."""
    found: list[Block] = []
    for wide, group in groupby(blocks, key=lambda block: block.wide):
        some = list(group)
        if not wide and len(some) % 2:
            some[0] = replace(some[0], wide=True)
        found += some
    return found


def _lead(subject: Subject) -> str:
    manifest = subject.source.manifest
    counts = manifest.counts
    results = "" if counts.results == counts.rows else f" into {plural(counts.results, subject.results_noun)}"
    failed = f"; {counts.failed:,} failed" if counts.failed else "; none failed"
    if manifest.incomplete:
        left = plural(manifest.incomplete.results_left, "results")
        failed += f". The run stopped at its budget of {manifest.incomplete.reached}, with {left} left"
    made = f"{counts.rows:,} {subject.noun}{results}, answered by {shown(manifest.model.name, 60)}"
    return f"{made} on {manifest.finished:%-d %B %Y} in {took(manifest.seconds['total'])}{failed}."


def _tiles(subject: Subject) -> list[Tile]:
    counts = subject.source.manifest.counts
    tiles = _own_tiles(subject)[:3]
    if not tiles or counts.failed:
        share = counts.ok / max(1, counts.results)
        tiles.append(Tile(percent(share), "have a result", f"{counts.ok:,} of {counts.results:,}"))
    manifest = subject.source.manifest
    tiles.append(Tile(took(manifest.seconds["total"]), "from start to end", _speed(manifest.rates["rows_per_second"])))
    saved = savings_of(manifest.tokens)
    if saved.share:
        of = f"{short_number(saved.computed)} of {short_number(saved.asked)} computed"
        tiles.append(Tile(percent(saved.share), "of the tokens were saved", of))
    return tiles[:4]


def _speed(rows_per_second: float) -> str:
    return (
        f"{rows_per_second:,.1f} rows a second"
        if rows_per_second >= 1
        else f"{60 * rows_per_second:,.0f} rows a minute"
    )


def _own_tiles(subject: Subject) -> list[Tile]:
    classes, total = subject.tally.classes, subject.tally.classes.total()
    if not total:
        return []

    def tile(name: str, label: str) -> Tile:
        return Tile(percent(classes[name] / total), label, f"{classes[name]:,} of {total:,}")

    if subject.kind is Kind.SENTIMENT:
        mean = subject.tally.score_sum / total
        return [
            tile("positive", "are positive"),
            tile("negative", "are negative"),
            Tile(signed(mean), "mean score", "−1 to +1"),
        ]
    if subject.kind is Kind.REPLIES:
        intent, count = subject.tally.intents.most_common(1)[0] if subject.tally.intents else ("", 0)
        asked = (
            [Tile(percent(count / total), f"have the intent “{name_of(intent)}”", f"{count:,} of {total:,}")]
            if count
            else []
        )
        return [tile(HANDOVER, "need a person"), *asked]
    if subject.measure and subject.measure.good == PASSED:
        return [tile(PASSED, "passed every check")]
    return [tile(name, f"are labelled “{shown(name, 30)}”") for name, _ in classes.most_common(3)]
