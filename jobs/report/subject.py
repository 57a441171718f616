"""A run that is reported on, with all that was counted, and what its rows are called."""

from dataclasses import dataclass
from pathlib import PurePath

from jobs.report.fields import FieldTally
from jobs.report.groups import MAX_KEPT, find_groupings
from jobs.report.measure import Kind, Measure, kind_of, measure_of
from jobs.report.source import Source
from jobs.report.tally import Tally, tally
from jobs.report.words import name_of, plural
from pipeline.errors import UsageError
from schemas.results import CHECKS_COLUMN

_NOUNS = (
    *("reviews", "comments", "messages", "posts", "tweets", "tickets", "mails", "emails", "articles", "pages"),
    *("answers", "responses", "questions", "conversations", "briefs", "sentences", "snippets", "complaints", "notes"),
    *("descriptions", "products", "calls", "chats", "surveys", "orders"),
)
_OF_KIND = {Kind.CONTENT: "briefs", Kind.REPLIES: "conversations"}


@dataclass(frozen=True)
class Subject:
    """What sections are made from.

    Attributes:
        noun: what a row is called, in the plural.
        results_noun: what a result is called.
    """

    source: Source
    kind: Kind
    measure: Measure | None
    tally: Tally
    noun: str

    @property
    def results_noun(self) -> str:
        """Results are rows, unless a row has several or becomes something else."""
        named = {Kind.TRANSLATIONS: "translations", Kind.CONTENT: "texts", Kind.REPLIES: "replies"}
        return named.get(self.kind, self.noun)

    def called(self, column: str) -> str:
        """A column in words; one that the output renamed by the name that it had."""
        before = {new: name for name, new in self.source.manifest.renamed_columns.items()}
        return f"{name_of(before[column])} (of the input)" if column in before else name_of(column)

    def counted(self, number: int) -> str:
        """So many rows, in words."""
        return plural(number, self.noun)


def look_into(source: Source, by: tuple[str, ...]) -> Subject:
    """Count all that a report needs.

    Raises:
        UsageError: if rows cannot be grouped by one of `by`.
    """
    kind = kind_of(source)
    measure = measure_of(source, kind)
    groupings = find_groupings(source, measure, by) if measure else []
    names = [name for name in source.answer_columns if name != CHECKS_COLUMN] if kind is Kind.COLUMNS else []
    fields = [FieldTally(name, source.schema.field(name).type) for name in names]
    counted = tally(source, measure, groupings, fields)
    for grouping in counted.groupings:
        if grouping.overflowed and grouping.is_asked:
            raise UsageError(
                f"column {grouping.column!r} has more than {MAX_KEPT:,} values: rows cannot be grouped by it"
            )
    return Subject(source, kind, measure, counted, _noun(source, kind))


def _noun(source: Source, kind: Kind) -> str:
    """What a row is: the file and the column of texts often say so."""
    if kind in _OF_KIND:
        return _OF_KIND[kind]
    files = [PurePath(info.path).stem for info in source.manifest.inputs[:1]]
    said = [word for name in (*files, *source.texts[:1]) for word in name.casefold().replace("-", "_").split("_")]
    known = [noun for word in said for noun in _NOUNS if word in (noun, noun.removesuffix("s"))]
    return known[0] if known else "texts"
