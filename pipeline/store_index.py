"""Where each stored completion stands, so that a run reads just those that it needs.

The index is the fingerprint columns of all parts, sorted, in memory: 24 bytes a completion. Parts never change, so one
that was looked at once is not looked at again; a process keeps its indexes. A part may be gone when it is to be read,
for several are merged into one now and then: that one has been there before.
"""

from collections.abc import Sequence
from functools import cache
from threading import Lock

import numpy as np
import numpy.typing as npt

from pipeline.completions import CompletionFolder
from pipeline.elements import Completion
from pipeline.store_parts import is_merged, read_fingerprints, read_rows_of

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
        self._unreadable: set[str] = set()  # damaged, or gone: neither comes back
        self._forget()

    def _forget(self) -> None:
        self._parts: list[str] = []
        self._segments: list[tuple[Keys, Places]] = []

    def refresh(self) -> None:
        """Take in the parts that have come since the last time; start anew if some are gone."""
        with self._lock:
            while self._take_in(_settled_parts(self._folder)):
                pass

    def _take_in(self, there: list[str]) -> bool:
        """Read the parts that are new; True if one was gone before it was read, for what replaces it is not listed."""
        if set(self._parts) - set(there):
            self._forget()
        known = self._unreadable | set(self._parts)
        is_one_gone = False
        new: list[tuple[Keys, Places]] = []
        for path in there:
            if path not in known:
                try:
                    new.append(self._read(path))
                except FileNotFoundError:
                    self._unreadable.add(path)
                    is_one_gone = True
        if new:
            self._segments.append(_sorted(new))
        if len(self._segments) > _MAX_SEGMENTS:
            self._segments = [_sorted(self._segments)]
        return is_one_gone

    def _read(self, path: str) -> tuple[Keys, Places]:
        """The fingerprints of a part, and for each the part's number times 2³² plus the row's."""
        keys = read_fingerprints(path)
        self._parts.append(path)
        return keys, np.arange(len(keys), dtype=np.int64) + (len(self._parts) - 1 << 32)

    def find(self, fingerprints: Sequence[bytes]) -> dict[bytes, Completion]:
        """The completions that there are; of several for one fingerprint that of the oldest part, by its name.

        A part that turns out to be damaged, or to be gone because another one has replaced it, is forgotten, and the
        store looked through once more.
        """
        completions: dict[bytes, Completion] = {}
        rest = list(fingerprints)
        while rest:
            found, unreadable = self._find(rest)
            completions |= found
            if not unreadable:
                break
            self._drop(unreadable)
            self.refresh()
            rest = [key for key in rest if key not in found]
        return completions

    def _drop(self, unreadable: set[str]) -> None:
        with self._lock:
            self._unreadable |= unreadable
            numbers = [number for number, path in enumerate(self._parts) if path in unreadable]
            kept = [~np.isin(places >> 32, numbers) for _, places in self._segments]
            self._segments = [(k[those], p[those]) for (k, p), those in zip(self._segments, kept, strict=True)]

    def _find(self, fingerprints: Sequence[bytes]) -> tuple[dict[bytes, Completion], set[str]]:
        """What is found, and the parts that should have had something and could not be read."""
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
        unreadable: set[str] = set()
        hits = np.flatnonzero(places >= 0)
        hits = hits[np.argsort(places[hits], kind="stable")]
        numbers = places[hits] >> 32
        for number in np.unique(numbers):
            those = hits[numbers == number]
            rows = (places[those] & 0xFFFFFFFF).tolist()
            found = _read_all(parts[number], rows)
            if found is None:
                unreadable.add(parts[number])
                continue
            completions |= zip((fingerprints[i] for i in those.tolist()), found, strict=True)
        return completions, unreadable


def _read_all(path: str, rows: Sequence[int]) -> list[Completion] | None:
    """All completions at these rows of a part; None if it is damaged or gone."""
    try:
        found = list(read_rows_of(path, rows))
    except FileNotFoundError:
        return None
    return found if len(found) == len(rows) else None


def _settled_parts(folder: CompletionFolder) -> list[str]:
    """The parts, listed when no merging came in between: a listing made meanwhile may lack both the old and the new."""
    there = folder.parts()
    while True:
        again = folder.parts()
        if set(filter(is_merged, again)) == set(filter(is_merged, there)):
            return again
        there = again


def _sorted(segments: Sequence[tuple[Keys, Places]]) -> tuple[Keys, Places]:
    """One segment of several; of equal keys the one of the earlier segment comes first."""
    keys, places = (np.concatenate(arrays) for arrays in zip(*segments, strict=True))
    order = np.argsort(keys, kind="stable")
    return keys[order], places[order]


@cache
def index_of(folder: CompletionFolder) -> CompletionIndex:
    """This process's index of a folder."""
    return CompletionIndex(folder)
