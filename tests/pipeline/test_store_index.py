"""The index of the store: it finds what was stored, whatever the parts, and reads no more than it must."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline.store_index
from pipeline.completions import CompletionFolder
from pipeline.elements import Completion
from pipeline.store_index import CompletionIndex, index_of

_keys = st.binary(min_size=16, max_size=16) | st.integers(0, 40).map(lambda i: i.to_bytes(16, "little"))
_parts = st.lists(st.lists(_keys, min_size=1, max_size=8, unique=True), max_size=24)


def _completion(text: str) -> Completion:
    return Completion(text, (-0.5, -1.0), 1, 0, 1, "stop", "run")


def _write(folder: CompletionFolder, keys: list[bytes], part: int = 0) -> None:
    folder.write_part(keys, [_completion(f"{part}/{key.hex()}") for key in keys])


@settings(max_examples=40)
@given(parts=_parts, wanted=st.lists(_keys, max_size=30, unique=True), refresh_every=st.integers(1, 12))
def test_the_oldest_completion_of_each_fingerprint_is_found_and_nothing_else(
    parts: list[list[bytes]], wanted: list[bytes], refresh_every: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = CompletionFolder(str(tmp_path_factory.mktemp("store")))
    index, expected = CompletionIndex(folder), {}
    for number, keys in enumerate(parts):
        _write(folder, keys, number)
        expected = {key: f"{number}/{key.hex()}" for key in keys} | expected
        if number % refresh_every == 0:
            index.refresh()
    index.refresh()
    asked = [*wanted, *expected]
    assert {k: c.text for k, c in index.find(asked).items()} == {k: expected[k] for k in asked if k in expected}


def test_a_part_is_indexed_once_and_read_only_when_it_has_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CompletionFolder(str(tmp_path))
    index, read = CompletionIndex(folder), []
    for name in ("read_fingerprints", "read_rows_of"):
        real = getattr(pipeline.store_index, name)
        monkeypatch.setattr(pipeline.store_index, name, lambda *a, n=name, r=real: read.append(n) or r(*a))
    _write(folder, [b"a" * 16, b"b" * 16])
    _write(folder, [b"c" * 16])
    index.refresh()
    index.refresh()
    assert read == ["read_fingerprints"] * 2
    assert set(index.find([b"c" * 16, b"d" * 16])) == {b"c" * 16}
    assert read == ["read_fingerprints"] * 2 + ["read_rows_of"]


def test_parts_that_are_gone_are_forgotten_and_a_damaged_one_has_nothing(tmp_path: Path) -> None:
    folder = CompletionFolder(str(tmp_path))
    index = index_of(folder)
    for key in (b"a" * 16, b"b" * 16):
        _write(folder, [key])
        index.refresh()
    first, second = map(Path, folder.parts())
    first.unlink()
    index.refresh()
    assert set(index.find([b"a" * 16, b"b" * 16])) == {b"b" * 16}
    second.write_bytes(second.read_bytes()[:-30])
    assert index.find([b"b" * 16]) == {}
    assert index_of(CompletionFolder(str(tmp_path))) is index


def test_a_damaged_part_does_not_hide_what_another_part_has(tmp_path: Path) -> None:
    folder = CompletionFolder(str(tmp_path))
    index = CompletionIndex(folder)
    keys = [bytes([i]) * 16 for i in range(100)]
    _write(folder, keys)
    (part,) = map(Path, folder.parts())
    content = bytearray(part.read_bytes())
    column = pq.ParquetFile(part).metadata.row_group(0).column(1)  # the texts; the fingerprints stay whole
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
    part.write_bytes(content)
    index.refresh()
    assert index.find(keys) == {}
    _write(folder, keys[:60], part=1)
    index.refresh()
    assert {key: c.text for key, c in index.find(keys).items()} == {key: f"1/{key.hex()}" for key in keys[:60]}


def test_nothing_is_found_in_an_empty_store(tmp_path: Path) -> None:
    index = CompletionIndex(CompletionFolder(str(tmp_path / "none")))
    index.refresh()
    assert index.find([]) == index.find([b"a" * 16]) == {}
