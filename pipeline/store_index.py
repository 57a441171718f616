"""Where each stored completion stands, so that a run reads just those that it needs.

The index is the fingerprint columns of all parts, sorted, in memory: 24 bytes a completion. Parts never change, so one
that was looked at once is not looked at again; a process keeps its indexes.
"""

from collections.abc import Sequence
from functools import cache
from threading import Lock

import numpy as np
import numpy.typing as npt

from pipeline.completions import CompletionFolder, read_fingerprints, read_rows_of
from pipeline.elements import Completion

_MAX_SEGMENTS = 8

Keys = npt.NDArray[np.bytes_]
Places = npt.NDArray[np.int64]


class CompletionIndex:
    """The completions of one folder of the store, found by fingerprint.

    Args:
        folder: which.
    """

    def __init__(self, folder: CompletionFolder) -> None:
        self._folder = folder
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        self._parts: list[str] = []
        self._segments: list[tuple[Keys, Places]] = []

    def refresh(self) -> None:
        """Take in the parts that have come since the last time; start anew if some are gone."""
        with self._lock:
            there = self._folder.parts()
            if set(self._parts) - set(there):
                self._forget()
            known = set(self._parts)
            if new := [self._read(path) for path in there if path not in known]:
                self._segments.append(_sorted(new))
            if len(self._segments) > _MAX_SEGMENTS:
                self._segments = [_sorted(self._segments)]

    def _read(self, path: str) -> tuple[Keys, Places]:
        """The fingerprints of a part, and for each the part's number times 2³² plus the row's."""
        self._parts.append(path)
        keys = read_fingerprints(path)
        return keys, np.arange(len(keys), dtype=np.int64) + (len(self._parts) - 1 << 32)

    def find(self, fingerprints: Sequence[bytes]) -> dict[bytes, Completion]:
        """The completions that there are; of several for one fingerprint that of the oldest part, by its name.

        A part that turns out to be damaged is forgotten, and another one looked for.
        """
        completions: dict[bytes, Completion] = {}
        rest = list(fingerprints)
        while rest:
            found, damaged = self._find(rest)
            completions |= found
            if not damaged:
                break
            self._drop(damaged)
            rest = [key for key in rest if key not in found]
        return completions

    def _drop(self, damaged: set[int]) -> None:
        with self._lock:
            kept = [~np.isin(places >> 32, list(damaged)) for _, places in self._segments]
            self._segments = [(k[those], p[those]) for (k, p), those in zip(self._segments, kept, strict=True)]

    def _find(self, fingerprints: Sequence[bytes]) -> tuple[dict[bytes, Completion], set[int]]:
        """What is found, and the numbers of parts that should have had something and could not be read."""
        wanted = np.array(fingerprints, "S16")
        places = np.full(len(wanted), -1, np.int64)
        with self._lock:
            for keys, standing in reversed(self._segments):  # the oldest last, which has the last word
                at = np.searchsorted(keys, wanted)
                is_there = at < len(keys)
                is_there[is_there] = keys[at[is_there]] == wanted[is_there]
                places[is_there] = standing[at[is_there]]
            parts = list(self._parts)
        completions: dict[bytes, Completion] = {}
        damaged: set[int] = set()
        hits = np.flatnonzero(places >= 0)
        hits = hits[np.argsort(places[hits], kind="stable")]
        numbers = places[hits] >> 32
        for number in np.unique(numbers):
            those = hits[numbers == number]
            rows = (places[those] & 0xFFFFFFFF).tolist()
            found = list(read_rows_of(parts[number], rows))
            if len(found) < len(rows):
                damaged.add(int(number))
                continue
            completions |= zip((fingerprints[i] for i in those.tolist()), found, strict=True)
        return completions, damaged


def _sorted(segments: Sequence[tuple[Keys, Places]]) -> tuple[Keys, Places]:
    """One segment of several; of equal keys the one of the earlier segment comes first."""
    keys, places = (np.concatenate(arrays) for arrays in zip(*segments, strict=True))
    order = np.argsort(keys, kind="stable")
    return keys[order], places[order]


@cache
def index_of(folder: CompletionFolder) -> CompletionIndex:
    """This process's index of a folder."""
    return CompletionIndex(folder)
