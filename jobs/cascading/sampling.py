"""The rows that a cascade learns from, and the partitions that are large enough for thresholds of their own."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jobs.cascading.guarantee import fewest_rows
from pipeline import lifetime
from pipeline.errors import UsageError
from pipeline.parts import Part, read_batches
from pipeline.rows import partition_values

FITTED_SHARE = 1 / 3
"""Of the sample: what scores are fitted on; the rest proves."""
_MOST_PARTITIONS = 1_000


def sample_size(rows: int, target: float, wanted: int | None) -> int:
    """Rows to draw: by default enough to allow for some errors, but at most a fifth of all."""
    return min(rows, wanted if wanted is not None else min(max(300, round(15 / (1 - target))), rows // 5))


def draw(parts: Sequence[Part], number: int, seed: int) -> list[Part]:
    """So many of the parts' rows, drawn at random, under the parts' own numbers."""
    total = sum(part.rows for part in parts)
    chosen = set(random.Random(f"cascade {seed}").sample(range(total), min(number, total)))  # noqa: S311 - no secret
    drawn: list[Part] = []
    start = 0
    for part in parts:
        positions = range(part.rows) if part.selected is None else part.selected
        those = tuple(p for i, p in enumerate(positions) if start + i in chosen)
        if those:
            drawn.append(replace(part, selected=those))
        start += part.rows
    return drawn


def partition_sizes(parts: Sequence[Part], column: str) -> Counter[str | None]:
    """How many rows each partition has.

    Raises:
        UsageError: if there are more than a thousand.
    """
    sizes: Counter[str | None] = Counter()
    for part in parts:
        wanted = None if part.selected is None else set(part.selected)
        for start, _, _, batch in read_batches(part, [column]):
            values = partition_values(batch, column)
            sizes.update(v for i, v in enumerate(values) if wanted is None or start + i in wanted)
        if len(sizes) > _MOST_PARTITIONS:
            hint = "give a column of few to --cascade-by"
            raise lifetime.fail(UsageError(f"{column} has more than {_MOST_PARTITIONS} values", hint))
    return sizes


def large_partitions(sizes: Mapping[str | None, int], sample: int, risk: float, delta: float) -> list[str]:
    """The partitions that get thresholds of their own, by their size alone: what was drawn has no say in it.

    All others share one set, so there is one proof more than these partitions, and each has its part of `delta`.
    """
    total = sum(sizes.values())
    by_size = sorted(((n, name) for name, n in sizes.items() if name is not None), reverse=True)
    found: list[str] = []
    for number, (rows, name) in enumerate(by_size, 1):
        if sample * rows / total * (1 - FITTED_SHARE) < 1.2 * fewest_rows(risk, delta / (number + 1)):
            break
        found.append(name)
    return found
