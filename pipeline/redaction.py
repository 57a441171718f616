"""Personal data kept out of a run: rows are read without it, and only what is written of them can have it back.

What a placeholder stands for travels nowhere. Where results are written, the input is read once more, and the same
rules give the same placeholders: so neither prompt, engine, store, log, dead letter nor anything that Beam shuffles
ever holds a value.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.elements import Outcome, Row, Undecodable
from pipeline.text.personal import Finder, hide, kind_of, restore
from pipeline.text_values import as_array, closed, map_texts, opened, plain_values, texts_of
from schemas.results import CHECKS_COLUMN


@dataclass(frozen=True)
class Redaction:
    """What is kept out, and where.

    Attributes:
        finder: finds it.
        fields: the columns that the task reads, in the order of its record.
        columns: others, which are searched where they are written.
        emptied: others, which are written as nulls.
        restore: results have the values again; dead letters never do.
    """

    finder: Finder
    fields: tuple[str, ...]
    columns: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    restore: bool = False

    def hide_row(self, row: Row, columns: Mapping[str, str]) -> tuple[Row, Counter[str]]:
        """The row without personal data, and how many different values of each kind it had.

        Args:
            columns: record field → column.
        """
        by_column = {columns[field]: value for field, value in row.values.items()}
        clean, values = self._hide([by_column[name] for name in self.fields], {})
        if not values:
            return row, Counter()
        hidden = dict(zip(self.fields, clean, strict=True))
        return row._replace(values={f: hidden[columns[f]] for f in row.values}), Counter(map(kind_of, values))

    def hide_batch(self, batch: pa.RecordBatch, rows: Collection[int]) -> "HiddenBatch":
        """Some rows of the input without personal data; the others stay as they are.

        Args:
            rows: their numbers.
        """
        fields, others = ([n for n in names if n in batch.schema.names] for names in (self.fields, self.columns))
        columns = {name: plain_values(batch, name) for name in (*fields, *others)}
        changed = {name for name, values in columns.items() if any(isinstance(v, Undecodable) for v in values)}
        stand_for: dict[int, Mapping[str, str]] = {}
        for i in rows:
            clean, stand_for[i] = self._hide([columns[name][i] for name in fields], {})
            more, _ = self._hide([columns[name][i] for name in others], stand_for[i])
            for name, value in zip((*fields, *others), (*clean, *more), strict=True):
                if value is not columns[name][i]:
                    columns[name][i] = value
                    changed.add(name)
        for name in changed:
            place, field = batch.schema.get_field_index(name), batch.schema.field(name)
            batch = batch.set_column(place, field, as_array(columns[name], field.type))
        return HiddenBatch(self.empty(batch), stand_for)

    def empty(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The input as it is, but for the columns that nobody gets."""
        for name in self.emptied:
            if name in batch.schema.names:
                place, field = batch.schema.get_field_index(name), batch.schema.field(name).with_nullable(True)
                batch = batch.set_column(place, field, pa.nulls(batch.num_rows, field.type))
        return batch

    def _hide(self, values: Sequence[Any], known: Mapping[str, str]) -> tuple[list[Any], Mapping[str, str]]:
        """Values without personal data, those that have none the very same, and what the placeholders stand for."""
        searched = [opened(value) for value in values]
        keyed = [pair for value in searched for pair in texts_of(value)]
        texts = [text for _, text in keyed]
        hidden = hide(texts, self.finder, known, [key for key, _ in keyed])
        if hidden.texts == texts:
            return list(values), hidden.values
        rest = iter(hidden.texts)
        clean = [map_texts(value, lambda _: next(rest)) for value in searched]
        kept = zip(values, searched, clean, strict=True)
        return [value if new == old else closed(new, value) for value, old, new in kept], hidden.values


@dataclass(frozen=True)
class HiddenBatch:
    """Rows of the input without personal data.

    Attributes:
        batch: the input, with the rows that were asked for.
        values: what the placeholders of a row stand for, by its number.
    """

    batch: pa.RecordBatch
    values: Mapping[int, Mapping[str, str]]

    def put_back(self, row: int, outcome: Outcome) -> Outcome:
        """A row's result with the values in place of their placeholders; what checks say of it stays as it was."""
        values = self.values[row]
        if outcome.failure is not None or not values:
            return outcome
        given = {
            name: value if name == CHECKS_COLUMN else map_texts(value, lambda text: restore(text, values))
            for name, value in outcome.values.items()
        }
        return outcome._replace(values=given)
