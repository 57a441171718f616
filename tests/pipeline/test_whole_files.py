"""Files appear whole, replace what is there, and leave nothing behind when they cannot be written."""

import io
import os
import resource
from pathlib import Path

import pytest

from pipeline.whole_files import copy_whole, write_whole


@pytest.fixture(params=["nameless files", "a name for the time being"])
def either_way(request, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "nameless files":
        monkeypatch.delattr(os, "O_TMPFILE")


@pytest.mark.usefixtures("either_way")
def test_a_file_appears_and_replaces_what_is_there(tmp_path: Path) -> None:
    for content in (b"first", b"", b"second"):
        write_whole(str(tmp_path / "file"), content)
        assert (tmp_path / "file").read_bytes() == content
        assert [f.name for f in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("either_way")
def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_whole(str(tmp_path / "file"), bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        copy_whole(Broken(), str(tmp_path / "file"))
    assert not list(tmp_path.iterdir())
