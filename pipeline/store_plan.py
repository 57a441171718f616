"""Which parts of the completion store are worth merging, and which completions to keep: decided by numbers alone.

Parts come in the order of their names, oldest first, and only neighbours become one. So whichever completion of equal
fingerprints was the oldest stays it, whatever is merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.bytes_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PartLimits:
    """How much a merged part may hold.

    Attributes:
        rows: completions.
        data_bytes: their size before it is compressed: what a merge holds in memory, within a small factor.
    """

    rows: int = 500_000
    data_bytes: int = 128_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part that is there.

    Attributes:
        keys: its fingerprints, in its order.
        data_bytes: the size of its completions before they are compressed.
        size_bytes: of its file.
    """

    path: str
    keys: Keys
    data_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring parts that become one.

    Attributes:
        keep: for each part which of its completions are kept.
    """

    parts: tuple[Part, ...]
    keep: tuple[Mask, ...]

    @property
    def stays(self) -> bool:
        """Whether it is one part already, with nothing to leave out."""
        return len(self.parts) == 1 and bool(self.keep[0].all())


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        runs: all parts, in their order.
        must_be_whole: parts that are moved, or because of which completions of others are left out.
    """

    runs: tuple[Run, ...]
    must_be_whole: tuple[Part, ...]


def plan_merges(parts: Sequence[Part], limits: PartLimits) -> Plan:
    """As few runs as come of filling one after the other; a part that is larger than the limits is a run of its own."""
    keep, relied_on = _oldest_of_equal(parts)
    groups: list[list[int]] = []
    num_rows, num_bytes = 0, 0.0
    for number, (part, mask) in enumerate(zip(parts, keep, strict=True)):
        rows = int(mask.sum())
        data_bytes = part.data_bytes * rows / max(len(mask), 1)
        if groups and num_rows + rows <= limits.rows and num_bytes + data_bytes <= limits.data_bytes:
            groups[-1].append(number)
            num_rows, num_bytes = num_rows + rows, num_bytes + data_bytes
        else:
            groups.append([number])
            num_rows, num_bytes = rows, data_bytes
    runs = tuple(Run(tuple(parts[n] for n in group), tuple(keep[n] for n in group)) for group in groups)
    moved = [part for run in runs if not run.stays for part in run.parts]
    return Plan(runs, tuple(dict.fromkeys([*moved, *relied_on])))


def _oldest_of_equal(parts: Sequence[Part]) -> tuple[list[Mask], list[Part]]:
    """For each part which completions no older one has; and the parts that have what others leave out."""
    if not parts:
        return [], []
    ends = np.cumsum([len(part.keys) for part in parts])
    keys = np.concatenate([part.keys for part in parts])
    order = np.argsort(keys, kind="stable")
    is_oldest = np.ones(len(keys), bool)
    is_oldest[1:] = keys[order[1:]] != keys[order[:-1]]
    oldest = order[is_oldest]
    keep = np.zeros(len(keys), bool)
    keep[oldest] = True
    kept_instead = oldest[(np.cumsum(is_oldest) - 1)[~is_oldest]]
    owners = np.unique(np.searchsorted(ends, kept_instead, side="right"))
    return np.split(keep, ends[:-1]), [parts[number] for number in owners]
