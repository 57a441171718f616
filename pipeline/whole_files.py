"""Files that appear whole: nobody reads half of one, and a writer that is killed leaves nothing behind."""

import contextlib
import io
import os
import shutil
import uuid
from typing import BinaryIO

from apache_beam.io.filesystems import FileSystems

_APPEAR_WHOLE = ("s3://", "gs://", "azfs://")
"""Where a file that is being written is not there before it is closed, and renaming is copying."""
_ANY_TYPE = "application/octet-stream"
_CHUNK_BYTES = 8 << 20


def _put_in_place(scratch: str, path: str) -> None:
    """Rename; where HDFS would refuse, what is there goes first: for a moment nothing is there."""
    if "://" in path and FileSystems.exists(path):
        FileSystems.delete([path])
    FileSystems.rename([scratch], [path])


def _scratch(path: str) -> str:
    folder, name = FileSystems.split(path)
    return str(FileSystems.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.tmp"))


def write_whole(path: str, content: bytes) -> None:
    """Write a file in one step, on any of Beam's filesystems; one that is there is replaced.

    Where the system has files without a name (Linux, most local filesystems), it gets its name when it is complete.

    Raises:
        OSError, BeamIOError: if it cannot be written; then nothing stays of it.
    """
    if "://" in path or not _write_nameless(path, content):
        copy_whole(io.BytesIO(content), path)


def copy_whole(source: BinaryIO, path: str) -> None:
    """Write what a stream has, as `write_whole` does.

    An object store shows it when it is complete. Elsewhere it is written beside its place, as `.<name>.<random>.tmp`,
    and renamed.
    """
    scratch = path if path.startswith(_APPEAR_WHOLE) else _scratch(path)
    try:
        with FileSystems.create(scratch, mime_type=_ANY_TYPE) as stream:
            shutil.copyfileobj(source, stream, _CHUNK_BYTES)
        if scratch != path:
            _put_in_place(scratch, path)
    except BaseException:
        if scratch != path:
            with contextlib.suppress(Exception):
                FileSystems.delete([scratch])
        raise


def _write_nameless(path: str, content: bytes) -> bool:
    """Write a file that has no name until it is complete; False where that is not to be had, or the name is taken.

    Source: open(2), O_TMPFILE. `os.link` follows the link in /proc only if it is given some folder's descriptor; an
    absolute path makes no use of that.
    """
    try:
        file = os.open(FileSystems.split(path)[0], os.O_WRONLY | os.O_TMPFILE, 0o666)
    except (OSError, AttributeError):  # no such file system, or no such system
        return False
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        try:
            os.link(f"/proc/self/fd/{file}", path, src_dir_fd=file, follow_symlinks=True)
        except (FileExistsError, FileNotFoundError):
            return False
    return True
