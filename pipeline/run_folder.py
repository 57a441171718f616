"""The folder of a run, which becomes visible whole."""

import ctypes
import errno
import fcntl
import glob
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import ValidationError

from pipeline.errors import RunError, UsageError, first_line
from pipeline.layout import DEAD_LETTERS, LOG_NAME, RESULTS, OutputLayout
from schemas.evaluation import EVALUATION_NAME
from schemas.manifest import MANIFEST_NAME, FileInfo, Manifest
from schemas.run_state import RUN_STATE_NAME

_LOCK_SECONDS = 0.5


class RunFolder:
    """The output folder of a run: built beside the final place, and put there whole.

    Args:
        output: the final place, on a local disk.
        run_id: names the folder while it is being built.
    """

    def __init__(self, output: Path, run_id: str) -> None:
        self.output, self.run_id = output, run_id
        self.building = output.parent / f".{output.name}.{run_id}.tmp"
        self._lock = FileLock(_lock_file(output), timeout=_LOCK_SECONDS)

    @property
    def parts(self) -> str:
        """Where the pipeline writes."""
        return str(self.building)

    @property
    def log(self) -> Path:
        """Where the run's log is while it is built."""
        return self.building / LOG_NAME

    def open(self) -> None:
        """Claim the place and make the folder to build in.

        Raises:
            UsageError: if something is there that Textmill did not write, or another run is writing there.
        """
        try:
            check_replaceable(self.output)
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            for name in (RESULTS, DEAD_LETTERS):
                (self.building / name).mkdir(parents=True)
        except Timeout:
            other = f"another run{self._at_work()} is writing to {self.output}"
            raise UsageError(other, "wait for it, or choose another output folder") from None
        except OSError as error:
            raise UsageError(f"cannot write to {self.output}: {error.strerror}") from None

    def commit(
        self, layout: OutputLayout, make_manifest: Callable[[list[FileInfo], list[FileInfo]], Manifest]
    ) -> Manifest:
        """Complete the folder with its manifest and put it in its place.

        Args:
            layout: for the empty tables that stand in where there were no rows.
            make_manifest: called with the result and dead-letter files; returns the `Manifest` to write.
        """
        results = self._files(RESULTS, layout.results)
        manifest = make_manifest(results, self._files(DEAD_LETTERS, layout.dead_letters))
        (self.building / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        check_replaceable(self.output)
        (self.building / RUN_STATE_NAME).unlink(missing_ok=True)
        _put_in_place(self.building, self.output)
        return manifest

    def release(self, keep: Collection[str] = ()) -> None:
        """Let go of the place. Of a folder that was not committed only the files of these names stay, if any."""
        for entry in list(self.building.iterdir()) if keep and self.building.exists() else ():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name not in keep:
                entry.unlink(missing_ok=True)
        if not keep:
            shutil.rmtree(self.building, ignore_errors=True)
        self._lock.release()

    def remove_left_over(self) -> None:
        """Remove what runs left that did not get to their end here; the lock says that they are not at work."""
        for left in left_over(self.output):
            if left != self.building:
                shutil.rmtree(left, ignore_errors=True)

    def _at_work(self) -> str:
        """The other run's id in brackets, if it shows."""
        ids = [path.name.removeprefix(f".{self.output.name}.").removesuffix(".tmp") for path in left_over(self.output)]
        return f" ({ids[0]})" if len(ids) == 1 else ""

    def _files(self, name: str, schema: pa.Schema) -> list[FileInfo]:
        folder = self.building / name
        if not any(folder.iterdir()):
            pq.write_table(schema.empty_table(), folder / "part-00000.parquet")
        return [
            FileInfo(path=f"{name}/{f.name}", rows=pq.read_metadata(f).num_rows, size_bytes=f.stat().st_size)
            for f in sorted(folder.iterdir())
        ]


def left_over(output: Path) -> list[Path]:
    """The folders that runs of an output build in: of one at work, or of those that did not get to their end."""
    return sorted(output.parent.glob(f".{glob.escape(output.name)}.*.tmp"))


def being_written(output: Path) -> bool:
    """Whether a run is at work on an output, on any machine that shares the disk: it holds the lock.

    Nothing is written for finding out, and nobody is kept from starting: `RunFolder.open` waits longer than this takes.
    """
    try:
        with _lock_file(output).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_manifest(output: Path) -> Manifest:
    """The manifest of a complete run.

    Raises:
        UsageError: if there is none.
    """
    try:
        return Manifest.model_validate_json((output / MANIFEST_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{output} is not the output of a complete run", f"try: textmill status {output}") from None
    except (OSError, ValidationError) as error:
        raise UsageError(f"{output / MANIFEST_NAME} is not a manifest of Textmill's: {first_line(error)}") from None


def _lock_file(output: Path) -> Path:
    return output.parent / f".{output.name}.lock"


def check_replaceable(output: Path) -> None:
    """Raise `UsageError` unless the output is absent, empty, or a folder of Textmill's with nothing else in it."""
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file, not a folder")
    found = {entry.name for entry in output.iterdir()}
    if found and MANIFEST_NAME not in found:
        raise UsageError(f"{output} is not empty and was not written by Textmill", "choose another output folder")
    if others := found - {RESULTS, DEAD_LETTERS, MANIFEST_NAME, LOG_NAME, EVALUATION_NAME}:
        raise UsageError(f"{output} holds {sorted(others)[0]!r}, which a re-run would delete", "move it elsewhere")


_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def _put_in_place(building: Path, output: Path) -> None:
    """Rename onto the final place; what was there is exchanged for it in one step (Linux) and then removed."""
    if not output.exists():
        building.rename(output)
        return
    if not _exchange(building, output):
        old = building.with_suffix(".old.tmp")
        output.rename(old)
        building.rename(output)
        building = old
    shutil.rmtree(building, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically; False where the system or the file system cannot.

    Source: renameat2(2).
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise RunError(f"cannot put {one} in place of {other}: {os.strerror(code)}")
