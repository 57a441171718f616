"""Rewrites a folder of the completion store: many small parts into few, and what is old out of it.

Runs may read and append meanwhile, and the process may be killed at any moment. A new part is written whole, and read
back, before those whose completions it has are deleted. Parts that come meanwhile are left alone. A new part's name
sorts where its oldest part's did, so `CompletionIndex.find` answers the same as before.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from filelock import FileLock, Timeout

from pipeline.completions import CompletionFolder
from pipeline.errors import RunError, first_line
from pipeline.store_parts import fingerprints_of, merged_name, open_part
from pipeline.store_plan import Mask, Part, PartLimits, Plan, Run, plan_merges
from pipeline.store_upkeep import Damage, StoredFile, damage_of, delete, look_at, run_time, stale, summarise
from pipeline.survey import READ_ERRORS, stamp

Advance = Callable[[int], None]
"""Told of so many more parts that are done with."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is of the store."""

    parts: int = 0
    completions: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.parts + other.parts, self.completions + other.completions, self.size_bytes + other.size_bytes
        )


@dataclass(slots=True)
class Rewriting:
    """What became of a folder.

    Attributes:
        before, after: what was there at the start and could be read, and what has taken its place.
        damaged: parts that cannot be read; they were left where they are.
        removed_files: temporary files of dead writers.
    """

    before: Amount = field(default_factory=Amount)
    after: Amount = field(default_factory=Amount)
    damaged: list[Damage] = field(default_factory=list)
    removed_files: int = 0


# --------------------------------------------------------------------------------------------------------- compact


def compact(folder: CompletionFolder, now: datetime, limits: PartLimits, advance: Advance) -> Rewriting:
    """Merge the small parts of a folder, keep the oldest of equal fingerprints, and remove what dead writers left.

    Holds the fingerprints of the folder in memory, some 50 bytes each, and the completions of one new part.

    Args:
        now: by which the age of temporary files is told.
        advance: told of each part once it is where it belongs.

    Raises:
        RunError: if another process rewrites the folder, or it cannot be written.
    """
    done = Rewriting()
    with _alone(folder):
        there = look_at(folder)
        left = stale(there, now)
        delete([file.path for file in left])
        done.removed_files = len(left)
        plan = _sound_plan(list(_load(there.parts, done)), limits, done)
        advance(len(there.parts) - sum(len(run.parts) for run in plan.runs))
        for run in plan.runs:
            _merge(folder, run, done)
            advance(len(run.parts))
    return done


def _load(files: Sequence[StoredFile], done: Rewriting) -> Iterator[Part]:
    """The parts that can be read, as far as their fingerprints tell."""
    for file in files:
        try:
            with open_part(file.path) as part:
                groups = [part.metadata.row_group(number) for number in range(part.num_row_groups)]
                data_bytes = sum(group.total_byte_size for group in groups)
                yield Part(file.path, fingerprints_of(part), data_bytes, file.size_bytes)
        except FileNotFoundError:
            continue
        except READ_ERRORS as error:
            done.damaged.append(Damage(file.path, first_line(error)))


def _sound_plan(parts: list[Part], limits: PartLimits, done: Rewriting) -> Plan:
    """A plan that relies on whole parts only: one that turns out to be damaged, or gone, is left out of it."""
    whole: set[Part] = set()
    while True:
        plan = plan_merges(parts, limits)
        doubtful = [part for part in plan.must_be_whole if part not in whole]
        whole |= {part for part in doubtful if _is_whole(part.path, done)}
        if whole.issuperset(doubtful):
            return plan
        parts = [part for part in parts if part in whole or part not in doubtful]


def _is_whole(path: str, done: Rewriting) -> bool:
    try:
        reason = damage_of(path)
    except FileNotFoundError:
        return False
    if reason:
        done.damaged.append(Damage(path, reason))
    return reason is None


def _merge(folder: CompletionFolder, run: Run, done: Rewriting) -> None:
    there = after = sum((Amount(1, len(part.keys), part.size_bytes) for part in run.parts), Amount())
    if not run.stays:
        with suppress(*READ_ERRORS):  # all was whole a moment ago; the next compaction sees what has become of it
            after = _rewrite(folder, [part.path for part in run.parts], run.keep)
    done.before += there
    done.after += after


# ----------------------------------------------------------------------------------------------------------- prune


def prune(folder: CompletionFolder, before: datetime, dry_run: bool, advance: Advance) -> Rewriting:
    """Remove the completions of runs that started before a time; those whose run id does not say when are kept.

    Args:
        dry_run: change nothing; sizes of what would be left are then estimates.
        advance: told of each part that is done with.

    Raises:
        RunError: if another process rewrites the folder, or it cannot be written.
    """
    done = Rewriting()
    with nullcontext() if dry_run else _alone(folder):
        for file in look_at(folder).parts:
            try:
                _prune_part(folder, file, before, dry_run, done)
            except FileNotFoundError:
                pass
            except READ_ERRORS as error:
                done.damaged.append(Damage(file.path, first_line(error)))
            advance(1)
    return done


def _prune_part(folder: CompletionFolder, file: StoredFile, before: datetime, dry_run: bool, done: Rewriting) -> None:
    with open_part(file.path) as part:
        run_ids = part.read(columns=["run_id"]).column(0)
    old = [run_id for run_id in pc.unique(run_ids).to_pylist() if (time := run_time(run_id)) and time < before]
    keep: Mask = ~pc.is_in(run_ids, pa.array(old, pa.string())).to_numpy()
    num_kept = int(keep.sum())
    there = Amount(1, len(keep), file.size_bytes)
    if num_kept == len(keep):
        after = there
    elif dry_run:
        after = Amount(int(num_kept > 0), num_kept, file.size_bytes * num_kept // len(keep))
    else:
        after = _rewrite(folder, [file.path], [keep])
    done.before += there
    done.after += after


def drop(folder: CompletionFolder, dry_run: bool) -> Rewriting:
    """Remove all parts of a folder, damaged ones too, and its recipe; what is written meanwhile stays.

    Raises:
        RunError: if another process rewrites the folder, or it cannot be written.
    """
    done = Rewriting()
    with nullcontext() if dry_run else _alone(folder):
        there = look_at(folder)
        held = summarise(there)
        done.before = Amount(held.parts, held.completions, held.size_bytes)
        if not dry_run:
            delete([file.path for file in (*there.parts, there.recipe) if file])
    return done


# --------------------------------------------------------------------------------------------------------- rewrite


def _rewrite(folder: CompletionFolder, parts: Sequence[str], keep: Sequence[Mask]) -> Amount:
    """One part, sorted by fingerprint, in place of several, or none if nothing is kept; says how much it is.

    Raises:
        One of `READ_ERRORS`: if a part cannot be read; nothing was changed then.
        RunError: if the new part cannot be written; the old ones are there then.
    """
    tables = [_read(path, mask) for path, mask in zip(parts, keep, strict=True)]
    table = pa.concat_tables(tables).sort_by("fingerprint")
    after = Amount()
    if table.num_rows:
        path = _write(folder, table, merged_name(FileSystems.split(parts[0])[1]))
        after = Amount(1, table.num_rows, stamp(path)[0])
    delete(parts)
    return after


def _read(path: str, mask: Mask) -> pa.Table:
    with open_part(path) as part:
        return part.read().filter(pa.array(mask))


def _write(folder: CompletionFolder, table: pa.Table, name: str) -> str:
    """Write a part, make sure that it is on the disk, and read it back."""
    try:
        path = folder.write_table(table, name)
        if "://" not in path:
            with Path(path).open("rb") as file:
                os.fsync(file.fileno())
    except (BeamIOError, OSError) as error:
        raise RunError(f"cannot write the completion store {folder.path}: {first_line(error)}") from None
    if reason := damage_of(path):
        raise RunError(f"{path} was just written and cannot be read: {reason}", "nothing was deleted; check the disk")
    return path


@contextmanager
def _alone(folder: CompletionFolder) -> Iterator[None]:
    """Keep other processes of this machine from rewriting the folder; elsewhere, two at once only waste work."""
    if "://" in folder.path:
        yield
        return
    lock = FileLock(Path(folder.path) / ".upkeep.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"another process is rewriting {folder.path}", "try again when it is done") from None
    except OSError as error:
        raise RunError(f"cannot write the completion store {folder.path}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()
