"""Parquet out: the result and dead-letter files of each part.

The input's other columns are read again here, part by part, and joined with the outcomes by position: results come in
the order of the input, with its columns as they were, and a run over the same rows writes the same bytes.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam

from pipeline import lifetime, metrics
from pipeline.elements import Block, Outcome
from pipeline.errors import RunError
from pipeline.layout import DEAD_LETTERS, RESULTS, OutputLayout
from pipeline.parts import Part, pack, read_batches, unpack
from pipeline.tables import PartWriter, take


class WriteResults(beam.DoFn):
    """Write the results and the dead letters of one part; emits how many rows it wrote.

    Takes (part number, blocks of all outcomes of its selected rows, in any order).
    """

    def __init__(self, folder: str, layout: OutputLayout, parts: Sequence[Part]) -> None:
        self._folder = folder
        self._layout = layout
        self._packed = pack(parts)

    def setup(self) -> None:
        self._parts = {part.index: part for part in unpack(self._packed)}

    def process(self, grouped: tuple[int, Iterable[Block[Outcome]]]) -> Iterator[int]:
        lifetime.check_stop()
        index, blocks = grouped
        part = self._parts[index]
        try:
            write_part(self._folder, part, [outcome for block in blocks for outcome in block], self._layout)
        except RunError as error:
            raise lifetime.fail(error) from None
        except OSError as error:
            raise lifetime.fail(RunError(f"cannot write the output of part {index}: {error}")) from None
        metrics.count(metrics.RESULTS_WRITTEN, part.rows)
        yield part.rows


def write_part(folder: str, part: Part, outcomes: Sequence[Outcome], layout: OutputLayout) -> None:
    """Write one part's files.

    Raises:
        RunError: if not every selected row has each of its outcomes exactly once. Nothing is written then.
    """
    by_position: dict[int, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.branch):
        by_position.setdefault(outcome.position, []).append(outcome)
    whole = all([o.branch for o in found] == list(range(found[0].of)) for found in by_position.values())
    if not whole or len(by_position) != part.rows:
        came = f"{len(by_position)} rows came back{'' if whole else ', with results missing or twice'}"
        raise RunError(f"part {part.index}: {part.rows} rows were read, {came} (a bug in Textmill)")
    written = 0
    with (
        PartWriter(os.path.join(folder, RESULTS, f"part-{part.index:05d}.parquet"), layout.results) as results,
        PartWriter(os.path.join(folder, DEAD_LETTERS, f"part-{part.index:05d}.parquet"), layout.dead_letters) as dead,
    ):
        for start, name, first_row, batch in read_batches(part, None):
            rows = [i for i in range(batch.num_rows) for _ in by_position.get(start + i, ())]
            settled = [outcome for i in range(batch.num_rows) for outcome in by_position.get(start + i, ())]
            arrays = layout.input_arrays(batch, name, first_row)
            if rows != list(range(batch.num_rows)):
                arrays = [take(array, rows) for array in arrays]
            results.write([*arrays, *layout.result_arrays(settled)])
            if failed := [i for i, outcome in enumerate(settled) if outcome.failure]:
                kept = [take(array, failed) for array in arrays]
                places = [written + i for i in failed]
                dead.write([*kept, *layout.dead_letter_arrays([settled[i] for i in failed], places)])
            written += len(settled)
