"""A report on some runs: read, drawn, written."""

from collections.abc import Callable, Sequence
from pathlib import Path

from jobs.report.chapters import make_chapter
from jobs.report.measure import kind_of, measure_of
from jobs.report.source import Source, open_source
from jobs.report.write import Form, write_report
from pipeline.errors import UsageError

_TITLE = "What the runs say"


def make_report(
    outputs: Sequence[Path],
    out: Path | None,
    by: tuple[str, ...],
    form: str,
    title: str | None,
    say: Callable[[str], None],
) -> list[Path]:
    """Write a report on the runs in some folders; returns its files.

    Args:
        outputs: folders of complete runs; a chapter is made of each.
        out: the file, for pictures the folder; by default beside the first output, never in it, for a re-run would
            refuse to replace what it did not write.
        by: columns that rows are compared by, where an output has them; none: those that lend themselves.
        say: is told what takes a while.

    Raises:
        UsageError: if a folder has no complete run, a column cannot be used, or the place is inside an output.
        RunError: if the disk refuses it.
    """
    if form not in list(Form):
        raise UsageError(f"a report cannot be written as {form!r}", f"choose among {', '.join(Form)}")
    folders = [output.expanduser().absolute() for output in outputs]
    place = _place(folders, out, Form(form))
    sources = [open_source(folder) for folder in folders]
    for name in by:
        _check_column(name, sources)
    chapters = []
    for i, (source, given) in enumerate(zip(sources, outputs, strict=True)):
        say(f"reading {given}")
        if by and not _can_compare(source):
            say(f"{given} has neither labels nor checks: its rows are not compared by {', '.join(by)}")
        chapters.append(make_chapter(source, tuple(name for name in by if name in source.schema.names), i + 1))
    return write_report(chapters, title or (chapters[0].title if len(chapters) == 1 else _TITLE), place, Form(form))


def _can_compare(source: Source) -> bool:
    return measure_of(source, kind_of(source)) is not None


def _check_column(name: str, sources: Sequence[Source]) -> None:
    """One of the outputs must have it, and something to compare by it."""
    having = [source for source in sources if name in source.schema.names]
    if having and not any(map(_can_compare, having)):
        raise UsageError(f"rows cannot be compared by {name!r}: their results have neither labels nor checks")
    if not having:
        known = dict.fromkeys(one for source in sources for one in (*source.input_columns, *source.answer_columns))
        raise UsageError(f"no column {name!r} in what is reported on", f"known: {', '.join(known)}")


def _place(folders: Sequence[Path], out: Path | None, form: Form) -> Path:
    suffix = "" if form is Form.PNG else f".{form}"
    place = folders[0].with_name(f"{folders[0].name}-report{suffix}") if out is None else out.expanduser().absolute()
    if inside := [folder for folder in folders if folder == place or folder in place.parents]:
        raise UsageError(f"{place} is inside the output {inside[0]}", "write the report beside it")
    if form is Form.PNG and place.is_file():
        raise UsageError(f"{place} is a file; pictures go into a folder")
    if form is not Form.PNG and place.is_dir():
        raise UsageError(f"{place} is a folder", f"name a file in it: --out {out}/report{suffix}")
    return place
