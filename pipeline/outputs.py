"""Parquet out: the result and dead-letter files of each part.

The input's other columns are read again here, part by part, and joined with the outcomes by position: results come in
the order of the input, with its columns as they were, and a run over the same rows writes the same bytes.
"""

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import apache_beam as beam

from pipeline import lifetime, metrics
from pipeline.elements import Block, Outcome
from pipeline.errors import RunError
from pipeline.layout import DEAD_LETTERS, RESULTS, OutputLayout
from pipeline.parts import Part, pack, read_batches, unpack
from pipeline.redaction import Redaction
from pipeline.tables import PartWriter, take

_PLACE = attrgetter("position", "branch")


class WriteResults(beam.DoFn):
    """Write the results and the dead letters of one part; emits how many rows it wrote.

    Takes (part number, blocks of all outcomes of its selected rows, in any order).
    """

    def __init__(
        self, folder: str, layout: OutputLayout, parts: Sequence[Part], redaction: Redaction | None = None
    ) -> None:
        self._folder = folder
        self._layout = layout
        self._redaction = redaction
        self._packed = pack(parts)

    def setup(self) -> None:
        self._parts = {part.index: part for part in unpack(self._packed)}

    def process(self, grouped: tuple[int, Iterable[Block[Outcome]]]) -> Iterator[int]:
        lifetime.check_stop()
        index, blocks = grouped
        part = self._parts[index]
        try:
            outcomes = [outcome for block in blocks for outcome in block]
            write_part(self._folder, part, outcomes, self._layout, self._redaction)
        except RunError as error:
            raise lifetime.fail(error) from None
        except OSError as error:
            raise lifetime.fail(RunError(f"cannot write the output of part {index}: {error}")) from None
        metrics.count(metrics.RESULTS_WRITTEN, part.rows)
        yield part.rows


def write_part(
    folder: str, part: Part, outcomes: Sequence[Outcome], layout: OutputLayout, redaction: Redaction | None = None
) -> None:
    """Write one part's files.

    Args:
        redaction: what is kept out of the input's columns.

    Raises:
        RunError: if not every selected row has each of its outcomes exactly once. Nothing is written then.
    """
    ordered = sorted(outcomes, key=_PLACE)
    _check_complete(part, ordered)
    positions = [outcome.position for outcome in ordered]
    written = 0
    with (
        PartWriter(os.path.join(folder, RESULTS, f"part-{part.index:05d}.parquet"), layout.results) as results,
        PartWriter(os.path.join(folder, DEAD_LETTERS, f"part-{part.index:05d}.parquet"), layout.dead_letters) as dead,
    ):
        for start, name, first_row, batch in read_batches(part, None):
            first, end = (bisect_left(positions, place) for place in (start, start + batch.num_rows))
            rows, settled = [place - start for place in positions[first:end]], ordered[first:end]
            said, batch = settled, batch if redaction is None else redaction.empty(batch)
            safe = batch
            if redaction is not None:
                hidden = redaction.hide_batch(batch, sorted(set(rows)))
                safe = hidden.batch
                if redaction.restore:
                    said = [hidden.put_back(i, outcome) for i, outcome in zip(rows, settled, strict=True)]
                else:
                    batch = safe
            whole_arrays = layout.input_arrays(batch, name, first_row)
            is_whole = rows == list(range(batch.num_rows))
            arrays = whole_arrays if is_whole else [take(array, rows) for array in whole_arrays]
            results.write([*arrays, *layout.result_arrays(said)])
            if failed := [i for i, outcome in enumerate(settled) if outcome.failure]:
                safe_arrays = whole_arrays if safe is batch else layout.input_arrays(safe, name, first_row)
                kept = [take(array, [rows[i] for i in failed]) for array in safe_arrays]
                places = [written + i for i in failed]
                dead.write([*kept, *layout.dead_letter_arrays([settled[i] for i in failed], places)])
            written += len(settled)


def _check_complete(part: Part, ordered: Sequence[Outcome]) -> None:
    """Raise `RunError` unless every selected row has each of its outcomes, which are in order, exactly once."""
    num_rows = len({outcome.position for outcome in ordered})
    if {(outcome.branch, outcome.of) for outcome in ordered} == {(0, 1)}:  # tasks with one result a row: most
        whole = num_rows == len(ordered)
    else:
        rows = (list(found) for _, found in groupby(ordered, attrgetter("position")))
        whole = all([outcome.branch for outcome in found] == list(range(found[0].of)) for found in rows)
    if not whole or num_rows != part.rows:
        came = f"{num_rows} rows came back{'' if whole else ', with results missing or twice'}"
        raise RunError(f"part {part.index}: {part.rows} rows were read, {came} (a bug in Textmill)")
