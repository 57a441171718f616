"""How the run went: its pace, its tokens and what was saved of them, what failed, and what it was run with."""

from collections.abc import Sequence

import numpy as np

from jobs.report import theme
from jobs.report.blocks import Block, Cell, Facts, Figure, Table
from jobs.report.examples import text_of
from jobs.report.pictures import bars, times
from jobs.report.subject import Subject
from jobs.report.words import name_of, number, percent, plural, short_number, shown, took
from jobs.savings import savings_of
from schemas.manifest import Manifest

_FAILURES_READ = 2000
_EXAMPLES = 2
_MAX_STEPS = 40
_EARLY = 0.85


def run_blocks(subject: Subject) -> list[Block]:
    """All about the run itself."""
    return [*check_figure(subject), *_pace(subject), *_savings(subject), *_failures(subject), *_facts(subject)]


def check_figure(subject: Subject) -> list[Block]:
    """How many results passed each check, the least passed first."""
    checks = subject.source.manifest.counts.checks
    known = [(name, c.passed, c.passed + c.failed) for name, c in checks.items() if c.passed + c.failed]
    if not known:
        return []
    known.sort(key=lambda one: (one[1] / one[2], one[0]))
    rows = [
        (name_of(n), passed / of, f"{percent(passed / of)}" + (f"  ·  {of - passed:,} failed" if passed < of else ""))
        for n, passed, of in known
    ]
    colours = [_colour(passed / of) for _, passed, of in known]
    worst, passed, of = known[0]
    title = (
        f"{name_of(worst).capitalize()} is what fails most: {percent(1 - passed / of)} of the {subject.results_noun}"
    )
    title = "Every check was passed by all" if passed == of else title
    note = f"Share of {subject.results_noun} that passed each check."
    return [Figure("checks", title, note, bars.bars(rows, colours))]


def _colour(share: float) -> str:
    return theme.ACCENT if share >= 0.95 else theme.MIXED if share >= 0.8 else theme.NEGATIVE


def _pace(subject: Subject) -> list[Block]:
    """Rows a second over the run; tokens a second where rows are asked about further after they are counted."""
    pace = subject.source.manifest.pace
    if not any(pace.rows):
        return []
    done = next(at for at, rows in zip(pace.seconds, pace.rows, strict=True) if rows == pace.rows[-1])
    by_rows = done > _EARLY * pace.seconds[-1]
    points = rates(pace.seconds, pace.rows if by_rows else pace.tokens)
    if len(points) < 3:
        return []
    what = subject.noun if by_rows else "tokens"
    overall = (pace.rows if by_rows else pace.tokens)[-1] / pace.seconds[-1]
    best = max(rate for _, rate in points)
    minutes = points[-1][0] > 180
    drawn = [(at / 60 if minutes else at, rate) for at, rate in points]
    title = f"{short_number(overall)} {what} a second over {took(pace.seconds[-1])}; up to {short_number(best)}"
    counted = "Answered rows" if by_rows else "Prompt and output tokens"
    note = f"{counted} a second while the pipeline ran, in steps of {took(points[1][0])}; the engine’s start included."
    return [Figure("pace", title, note, times.steps(drawn, "minutes" if minutes else "seconds", f"{what} a second"))]


def rates(seconds: Sequence[float], counts: Sequence[int]) -> list[tuple[float, float]]:
    """What is done a second, in even steps: at the end of each, the rate in it.

    A count grows by the block, so a step has two blocks or more, if there are as many.
    """
    if len(seconds) < 4 or seconds[-1] <= 0:
        return []
    blocks = len(set(counts)) - 1
    ends = np.linspace(0, seconds[-1], min(_MAX_STEPS, max(6, blocks // 2)) + 1)
    done = np.interp(ends, [0.0, *seconds], [0, *counts])
    speeds = np.diff(done) / np.diff(ends)
    return [(0.0, float(speeds[0])), *zip(ends[1:].tolist(), speeds.tolist(), strict=True)]


def _savings(subject: Subject) -> list[Block]:
    """Tokens that all rows asked for, less what duplicates, the store and the prefix cache saved."""
    saved = savings_of(subject.source.manifest.tokens)
    if not saved.asked:
        return []
    steps, level = [("asked", 0.0, float(saved.asked), short_number(saved.asked), True)], float(saved.asked)
    for name, tokens in (
        ("duplicates", saved.duplicates),
        ("stored answers", saved.stored),
        ("prefix cache", saved.cached),
    ):
        if tokens:
            steps.append((name, level - tokens, level, f"−{short_number(tokens)}", False))
            level -= tokens
    steps.append(("computed", 0.0, float(saved.computed), short_number(saved.computed), True))
    title = f"{percent(saved.share)} of the tokens did not have to be computed"
    note = "Tokens that the answers of all rows take, what was saved of them, and what the engine computed."
    return [Figure("savings", title if saved.share else "Every token was computed", note, bars.waterfall(steps))]


def _failures(subject: Subject) -> list[Block]:
    counts = subject.source.manifest.counts
    if not counts.failed:
        return []
    examples: dict[str, list[Sequence[Cell]]] = {}
    for row in subject.source.dead_letters(_FAILURES_READ):
        error = row["error"]
        few = examples.setdefault(error["class"], [])
        if len(few) < _EXAMPLES:
            first = not few
            text = text_of(subject, row)
            few.append(
                (
                    Cell(name_of(error["class"]) if first else ""),
                    Cell(
                        f"{counts.failed_by_class.get(error['class'], 0):,}" if first else "", number=True, tone="bad"
                    ),
                    Cell(shown(error["message"], 200), is_row_text=True),
                    Cell(shown(text, 160) if text else "–", is_row_text=True),
                )
            )
    for name, count in counts.failed_by_class.items():
        examples.setdefault(
            name, [(Cell(name_of(name)), Cell(f"{count:,}", number=True, tone="bad"), Cell("–"), Cell("–"))]
        )
    order = sorted(examples, key=lambda name: -counts.failed_by_class.get(name, 0))
    rows = [cells for name in order for cells in examples[name]]
    title = f"{plural(counts.failed, 'results')} failed ({percent(counts.failed / max(1, counts.results))})"
    note = "By reason, with examples. All of them are in dead_letters."
    return [Table(title, ("reason", "failed", "what was wrong", "text"), rows, note, wide=True)]


def _facts(subject: Subject) -> list[Block]:
    manifest = subject.source.manifest
    counts, tokens, seconds = manifest.counts, manifest.tokens, manifest.seconds
    items = [
        ("model", f"{manifest.model.name}{f', {manifest.model.licence}' if manifest.model.licence else ''}"),
        ("run", f"{manifest.run_id}, started {manifest.started:%Y-%m-%d %H:%M} UTC"),
        ("input", _inputs(manifest)),
        ("rows", f"{counts.rows:,} in, {counts.results:,} results: {counts.ok:,} ok, {counts.failed:,} failed"),
        (
            "requests",
            f"{counts.unique:,} different, {counts.reused:,} from the store, {counts.sent:,} sent to the engine",
        ),
        ("tokens", f"{tokens.prompt:,} in ({tokens.cached_prompt:,} from the prefix cache), {tokens.output:,} out"),
        ("time", ", ".join(f"{name.replace('_', ' ')} {took(value)}" for name, value in seconds.items())),
        ("speed", ", ".join(f"{number(value)} {name.replace('_', ' ')}" for name, value in manifest.rates.items())),
        ("recipe", manifest.recipe_digest),
        ("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
    ]
    for redrive in manifest.redrives:
        items.append(("redriven", f"{redrive.redriven:,} failed results, of which {redrive.recovered:,} are ok now"))
    if manifest.calibration:
        items.append(("calibration", f"{manifest.calibration.file}, of {manifest.calibration.rows:,} rows"))
    items += [*_card(manifest), *_energy(manifest)]
    deaths, damaged = manifest.incidents.engine_deaths, manifest.incidents.damaged_store_parts
    if deaths or damaged:
        items.append(("incidents", f"the engine died {deaths:,} times; {damaged:,} damaged parts of the store"))
    items += [("left out", skipped.reason) for skipped in manifest.skipped_inputs[:10]]
    return [Facts("What it was run with", [(name, shown(value, 400)) for name, value in items])]


def _card(manifest: Manifest) -> list[tuple[str, str]]:
    """What is known of the model."""
    card = manifest.model.card
    if card is None:
        return []
    guarded = manifest.counts.guarded
    told = [("guarded", f"{guarded:,} requests without what gives the model orders in their texts")] if guarded else []
    items = [("model card", card.title), ("languages", card.languages), ("known limits", " ".join(card.limits))]
    return [(name, value) for name, value in items if value] + told


def _energy(manifest: Manifest) -> list[tuple[str, str]]:
    """What the devices took, and what that is for each result."""
    if manifest.energy is None:
        return []
    known = (("GPU", manifest.energy.gpu_joules), ("CPU", manifest.energy.cpu_joules))
    each = max(1, manifest.counts.results)
    said = [
        f"{name} {short_number(joules / 3600)} Wh, {short_number(joules / each)} J a result"
        for name, joules in known
        if joules is not None
    ]
    return [("energy", ", ".join(said))] if said else []


def _inputs(manifest: Manifest) -> str:
    first = ", ".join(info.path for info in manifest.inputs[:3])
    return first + (f" and {len(manifest.inputs) - 3:,} more files" if len(manifest.inputs) > 3 else "")
