"""The store's upkeep: damage is found, merging and pruning change no answer, beside anybody at work."""

import io
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import metrics
from pipeline.completions import CompletionFolder
from pipeline.elements import Completion
from pipeline.errors import RunError
from pipeline.recipe import Recipe
from pipeline.store_index import CompletionIndex
from pipeline.store_parts import COMPLETION_SCHEMA, read_fingerprints, read_rows_of
from pipeline.store_plan import Part, PartLimits, plan_merges
from pipeline.store_rewrite import Rewriting, compact, drop, prune
from pipeline.store_upkeep import damage_of, damaged_among, list_scopes, look_at, run_time, summarise

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIMITS = PartLimits(rows=10)
RECIPE = Recipe("sentiment", 1, {}, "qwen", "d", None, {"name": "vllm", "version": "0.32", "arguments": {"x": 1}}, 4096)


def _key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _write(folder: CompletionFolder, numbers: list[int], text: str = "", run: str = "20260501T000000-abc") -> None:
    answers = [Completion(f"{text}/{n}", (-0.5, -1.0) if n % 2 else None, 1, 0, n, "stop", run) for n in numbers]
    folder.write_part([_key(n) for n in numbers], answers)


def _compact(folder: CompletionFolder, limits: PartLimits = LIMITS) -> Rewriting:
    return compact(folder, NOW, limits, lambda _: None)


def _prune(folder: CompletionFolder, before: datetime, dry_run: bool = False) -> Rewriting:
    return prune(folder, before, dry_run, lambda _: None)


def _found(folder: CompletionFolder, count: int = 200) -> dict[bytes, Completion]:
    index = CompletionIndex(folder)
    index.refresh()
    return index.find([_key(n) for n in range(count)])


def _damage_texts(part: str) -> None:
    """Flip a byte of the texts; the fingerprints stay readable."""
    content = bytearray(Path(part).read_bytes())
    column = pq.ParquetFile(part).metadata.row_group(0).column(1)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
    Path(part).write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> CompletionFolder:
    folder = CompletionFolder.of(str(tmp_path / "store"), RECIPE.scope())
    folder.prepare(RECIPE)
    return folder


class Objects(FileSystem):
    """An object store in memory: no folders, and nothing but whole objects."""

    held: ClassVar[dict[str, bytes]] = {}

    @classmethod
    def scheme(cls) -> str:
        return "objects"

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path: str) -> tuple[str, str]:
        folder, _, name = path.rpartition("/")
        return folder, name

    def mkdirs(self, path: str) -> None:
        pass

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        return (FileMetadata(p, len(c), 1.0) for p, c in list(self.held.items()) if p.startswith(dir_or_prefix))

    def create(self, path: str, mime_type: str = "", compression_type: str = "") -> io.BytesIO:
        held = self.held

        class Upload(io.BytesIO):
            def close(self) -> None:
                held[path] = self.getvalue()
                super().close()

        return Upload()

    def open(self, path: str, mime_type: str = "", compression_type: str = "") -> io.BytesIO:
        if path not in self.held:
            raise BeamIOError(f"no object {path}")
        return io.BytesIO(self.held[path])

    def copy(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        raise NotImplementedError

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            self.held[destination] = self.held.pop(source)

    def exists(self, path: str) -> bool:
        return path in self.held

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, len(self.held[path]), 1.0)

    def size(self, path: str) -> int:
        return len(self.held[path])

    def last_updated(self, path: str) -> float:
        return 1.0

    def checksum(self, path: str) -> str:
        return str(len(self.held[path]))

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            del self.held[path]


@pytest.fixture
def objects() -> Iterator[str]:
    """The address of an empty store that is not on a disk."""
    yield "objects://bucket/store"
    Objects.held.clear()


# ------------------------------------------------------------------------------------------------------------ show


def test_a_folder_is_summed_up(folder: CompletionFolder, tmp_path: Path) -> None:
    _write(folder, [1, 2], run="20260301T120000-abc")
    _write(folder, [3], run="20260401T000000-abc")
    _write(folder, [4], run="of unknown age")
    (scope,) = list_scopes(str(tmp_path / "store"))
    held = summarise(scope)
    assert (held.recipe, held.problem, held.task, held.model) == (RECIPE.scope(), None, "sentiment", "qwen")
    assert held.engine == "vllm 0.32, x=1"
    assert (held.parts, held.completions, held.damaged_parts) == (3, 4, 0)
    assert held.size_bytes == sum(Path(part).stat().st_size for part in folder.parts())
    assert (held.oldest, held.newest) == (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"task": 1}', b"\xff\xfe"])
def test_a_folder_without_a_readable_recipe_is_shown_as_such(
    content: bytes | None, folder: CompletionFolder, tmp_path: Path
) -> None:
    _write(folder, [1])
    (Path(folder.path) / "recipe.json").unlink()
    if content is not None:
        (Path(folder.path) / "recipe.json").write_bytes(content)
    Path(folder.parts()[0]).with_name("part-2.parquet").write_bytes(b"PAR1 not really")
    held = summarise(list_scopes(str(tmp_path / "store"))[0])
    assert held.problem == ("no recipe.json" if content is None else "damaged recipe.json")
    assert (held.task, held.completions, held.parts, held.damaged_parts) == (None, 1, 2, 1)


def test_what_is_not_a_folder_of_the_store_is_left_out(tmp_path: Path) -> None:
    assert list_scopes(str(tmp_path / "absent")) == []
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/.holiday.tmp").write_bytes(b"mine")
    (tmp_path / "part-1.parquet").write_bytes(b"not in a folder")
    assert list_scopes(str(tmp_path)) == []


def test_a_run_id_tells_when() -> None:
    assert run_time("20260301T120000-a1b2c3") == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert [run_time(odd) for odd in ("", "run", "20261301T000000-x", "x20260301T120000")] == [None] * 4


# ---------------------------------------------------------------------------------------------------------- verify


def test_whatever_byte_is_flipped_it_is_found_or_changes_nothing(folder: CompletionFolder) -> None:
    _write(folder, list(range(20)))
    (part,) = folder.parts()
    whole = Path(part).read_bytes()

    def read() -> tuple[list[bytes], list[Completion]]:
        keys = read_fingerprints(part).tolist()
        return keys, list(read_rows_of(part, range(len(keys))))

    expected, num_found = read(), 0
    for position in range(0, len(whole), 3):
        Path(part).write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        found = damage_of(part)
        assert found or read() == expected, position
        num_found += found is not None
    assert num_found > len(whole) / 6


def test_a_part_cut_short_anywhere_is_found(folder: CompletionFolder) -> None:
    _write(folder, list(range(20)))
    (part,) = folder.parts()
    whole = Path(part).read_bytes()
    for length in range(0, len(whole), 29):
        Path(part).write_bytes(whole[:length])
        reason = damage_of(part)
        assert reason is not None, length
        assert "\n" not in reason


def test_a_parquet_file_of_others_is_no_part_and_one_that_is_gone_is_not_damaged(folder: CompletionFolder) -> None:
    _write(folder, [1])
    _write(folder, [2])
    first, second = folder.parts()
    pq.write_table(pq.read_table(first).drop_columns("reasoning"), first)
    there = look_at(folder).parts
    Path(second).unlink()
    with pytest.raises(FileNotFoundError):
        damage_of(second)
    found = list(damaged_among(there))
    assert [damage and damage.path for damage in found] == [first, None]


# --------------------------------------------------------------------------------------------------------- compact

_appends = st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True)
_steps = st.lists(_appends | st.sampled_from(["compact", "prune", "damage"]), max_size=14)


@settings(max_examples=40)
@given(steps=_steps, rows=st.integers(1, 25), data_bytes=st.sampled_from([1, 3_000, 10**9]))
def test_whatever_is_done_to_the_store_the_same_is_found(
    steps: list[list[int] | str], rows: int, data_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = CompletionFolder(str(tmp_path_factory.mktemp("store")))
    open_since_the_start = CompletionIndex(folder)
    for number, step in enumerate(steps):
        if isinstance(step, list):
            _write(folder, step, str(number))
            continue
        if step == "damage" and folder.parts() and damage_of(folder.parts()[0]) is None:
            _damage_texts(folder.parts()[0])
        before = _found(folder)
        if step == "compact":
            _compact(folder, PartLimits(rows, data_bytes))
        elif step == "prune":
            _prune(folder, datetime(2026, 5, 1, tzinfo=UTC))
        assert _found(folder) == before
        open_since_the_start.refresh()
        assert open_since_the_start.find([_key(n) for n in range(31)]) == before


@settings(max_examples=100)
@given(contents=st.lists(st.lists(st.integers(0, 40), max_size=12, unique=True), max_size=12), rows=st.integers(1, 20))
def test_a_plan_keeps_the_oldest_of_each_and_fills_parts_in_order(contents: list[list[int]], rows: int) -> None:
    parts = [Part(str(n), np.array([_key(k) for k in keys], "S16"), 0, 0) for n, keys in enumerate(contents)]
    plan = plan_merges(parts, PartLimits(rows))
    assert [part for run in plan.runs for part in run.parts] == parts
    expected, relied_on = {}, set()
    for part, keys in zip(parts, contents, strict=True):
        relied_on |= {expected[key] for key in keys if key in expected}
        expected |= {key: part.path for key in keys if key not in expected}
    pairs = [pair for run in plan.runs for pair in zip(run.parts, run.keep, strict=True)]
    kept = {key: p.path for p, mask in pairs for key, keep in zip(contents[int(p.path)], mask, strict=True) if keep}
    assert kept == expected
    assert relied_on <= {part.path for part in plan.must_be_whole}
    sizes = [sum(int(mask.sum()) for mask in run.keep) for run in plan.runs]
    assert all(size <= rows or len(run.parts) == 1 for size, run in zip(sizes, plan.runs, strict=True))
    assert all(size + int(run.keep[0].sum()) > rows for size, run in zip(sizes, plan.runs[1:], strict=False))


def test_small_parts_become_few_that_are_sorted_and_have_each_fingerprint_once(folder: CompletionFolder) -> None:
    for start in (8, 0, 4, 4, 12, 16):
        _write(folder, [start + 1, start, start + 3, start + 2], f"from {start}")
    before = _found(folder)
    done = _compact(folder)
    assert (done.before.parts, done.before.completions, done.after.completions) == (6, 24, 20)
    assert done.after.parts == len(folder.parts()) == 3
    assert done.after.size_bytes == sum(Path(part).stat().st_size for part in folder.parts())
    stored = [read_fingerprints(part).tolist() for part in folder.parts()]
    assert all(keys == sorted(keys) and len(keys) <= LIMITS.rows for keys in stored[:2])  # the last one is left alone
    assert sum(map(len, stored)) == 20
    assert _found(folder) == before
    assert all(pq.read_schema(part).equals(COMPLETION_SCHEMA) for part in folder.parts())
    there = folder.parts()
    _compact(folder)
    assert folder.parts() == there  # nothing to do is nothing done


def test_a_merged_part_is_read_in_groups(folder: CompletionFolder) -> None:
    numbers = list(range(120_000))
    folder.write_part([_key(n) for n in numbers], [Completion(str(n), None, 1, 0, 1, "stop", "r") for n in numbers])
    (part,) = folder.parts()
    assert pq.ParquetFile(part).num_row_groups == 3
    wanted = [0, 49_999, 50_000, 99_999, 100_000, 119_999]
    assert [c.text for c in read_rows_of(part, wanted)] == list(map(str, wanted))


def test_a_damaged_part_stays_and_nothing_relies_on_it(folder: CompletionFolder) -> None:
    _write(folder, [0, 1, 2], "damaged")
    _write(folder, [2, 3], "whole")
    _write(folder, [4], "whole")
    damaged = folder.parts()[0]
    _damage_texts(damaged)
    done = _compact(folder)
    assert [damage.path for damage in done.damaged] == [damaged]
    assert damaged in folder.parts()
    assert {key: c.text for key, c in _found(folder).items()} == {_key(n): f"whole/{n}" for n in (2, 3, 4)}


@pytest.mark.parametrize("survivors", range(4))
def test_a_compaction_that_was_killed_is_made_up_for(survivors: int, folder: CompletionFolder) -> None:
    """Killed after the new part was there, and before all old ones were gone: the states that can be left behind."""
    for start in (0, 3, 6):
        _write(folder, [start, start + 1, start + 2, 0], f"from {start}") if start else _write(folder, [0, 1, 2])
    before, old = _found(folder), {Path(part): Path(part).read_bytes() for part in folder.parts()}
    _compact(folder)
    for path, content in list(old.items())[:survivors]:
        path.write_bytes(content)
    assert _found(folder) == before
    done = _compact(folder)
    assert _found(folder) == before
    assert (done.after.completions, len(folder.parts())) == (9, 1)


def test_what_dead_writers_left_is_removed_and_what_is_being_written_is_not(folder: CompletionFolder) -> None:
    old, fresh = (Path(folder.path) / f".part-{n}.parquet.0a1b2c3d.tmp" for n in (1, 2))
    for file, age in ((old, timedelta(hours=2)), (fresh, timedelta(minutes=50))):
        file.write_bytes(b"half")
        os.utime(file, (time := (NOW - age).timestamp(), time))
    assert [file.name for file in look_at(folder).leftovers] == [old.name, fresh.name]
    assert _compact(folder).removed_files == 1
    assert (old.exists(), fresh.exists()) == (False, True)


def test_two_compactions_exclude_each_other(folder: CompletionFolder) -> None:
    _write(folder, [1])
    with FileLock(Path(folder.path) / ".upkeep.lock"), pytest.raises(RunError, match="another process"):
        _compact(folder)
    _compact(folder)


def test_a_reader_finds_all_while_parts_are_merged_between_its_steps(
    folder: CompletionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reader has done last, listed the parts or read some of them, a compaction comes right after it."""
    for number in range(8):
        _write(folder, [number], "old")
    expected, calls = _found(folder), 0
    real = CompletionFolder.parts

    def parts(self: CompletionFolder) -> list[str]:
        nonlocal calls
        there = real(self)
        calls += 1
        if calls in {1, 3}:
            _write(folder, [100 + calls], "new")
            _compact(folder, PartLimits(rows=100))
        return there

    index = CompletionIndex(folder)
    with monkeypatch.context() as patch:
        patch.setattr(CompletionFolder, "parts", parts)
        index.refresh()
    _write(folder, [102], "new")
    _compact(folder, PartLimits(rows=100))
    metrics.reset_board()
    assert index.find([_key(n) for n in range(100)]) == expected
    assert metrics.board()[metrics.STORE_BAD_PARTS] == 0


def test_a_listing_that_lacks_old_and_new_is_made_again(
    folder: CompletionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is listed while parts are merged may show neither what was there nor what has come."""
    _write(folder, [1])
    _write(folder, [2])
    real, calls = CompletionFolder.parts, []

    def parts(self: CompletionFolder) -> list[str]:
        calls.append(1)
        return [] if len(calls) == 1 else real(self)

    _compact(folder)
    monkeypatch.setattr(CompletionFolder, "parts", parts)
    assert set(_found(folder)) == {_key(1), _key(2)}


def test_a_part_that_is_really_damaged_is_counted_once_and_searched_no_more(folder: CompletionFolder) -> None:
    _write(folder, list(range(100)))
    index = CompletionIndex(folder)
    index.refresh()
    _damage_texts(folder.parts()[0])
    metrics.reset_board()
    assert index.find([_key(1)]) == index.find([_key(1)]) == {}
    assert metrics.board()[metrics.STORE_BAD_PARTS] == 1


def test_readers_and_an_appender_beside_compactions_lose_nothing(folder: CompletionFolder) -> None:
    for number in range(40):
        _write(folder, [number], "old")
    stop, problems, appended = threading.Event(), [], []
    index = CompletionIndex(folder)
    index.refresh()

    def append() -> None:
        for number in range(1_000, 1_060):
            _write(folder, [number], "new")
            appended.append(number)

    def read() -> None:
        while not stop.is_set():
            wanted = [*range(40), *appended]
            index.refresh()
            if missing := {_key(n) for n in wanted} - set(index.find([_key(n) for n in wanted])):
                problems.append(missing)

    metrics.reset_board()
    appender, reader = threading.Thread(target=append), threading.Thread(target=read)
    appender.start(), reader.start()
    while appender.is_alive():
        _compact(folder)
    stop.set()
    appender.join(), reader.join()
    assert not problems
    assert metrics.board()[metrics.STORE_BAD_PARTS] == 0
    _compact(folder)
    assert len(_found(folder, 2_000)) == 100


def test_a_store_elsewhere_is_looked_after_in_the_same_way(objects: str) -> None:
    folder = CompletionFolder.of(objects, RECIPE.scope())
    folder.prepare(RECIPE)
    for start in (0, 2, 4):
        _write(folder, [start, start + 1], run=f"2026050{start + 1}T000000-abc")
    before = _found(folder)
    assert (_compact(folder).after.parts, len(folder.parts())) == (1, 1)
    assert _found(folder) == before
    assert _prune(folder, datetime(2026, 5, 2, tzinfo=UTC)).after.completions == 4
    (scope,) = list_scopes(objects)
    assert (summarise(scope).task, summarise(scope).completions) == ("sentiment", 4)
    assert list(damaged_among(scope.parts)) == [None]
    drop(folder, dry_run=False)
    assert list_scopes(objects) == []


# ----------------------------------------------------------------------------------------------------------- prune


def test_old_completions_go_and_those_of_unknown_age_stay(folder: CompletionFolder) -> None:
    _write(folder, [1, 2], run="20260101T000000-old")
    _write(folder, [3, 4], run="20260501T000000-new")
    _write(folder, [5], run="whenever")
    _compact(folder)
    _write(folder, [6], run="20260101T000000-old")
    _write(folder, [7], run="20260501T000000-new")
    there = {part: Path(part).read_bytes() for part in folder.parts()}
    would, before = _prune(folder, datetime(2026, 2, 1, tzinfo=UTC), dry_run=True), _found(folder)
    assert {part: Path(part).read_bytes() for part in folder.parts()} == there
    done = _prune(folder, datetime(2026, 2, 1, tzinfo=UTC))
    assert (would.before, would.after.parts, would.after.completions) == (done.before, 2, 4)
    assert (done.before.parts, done.before.completions, done.after.parts, done.after.completions) == (3, 7, 2, 4)
    assert _found(folder) == {key: c for key, c in before.items() if "old" not in c.run_id}
    assert len(before) == 7
    assert folder.parts()[-1] == list(there)[-1]  # what has nothing old in it is not touched


def test_prune_leaves_what_cannot_be_read(folder: CompletionFolder) -> None:
    _write(folder, [1], run="20260101T000000-old")
    Path(folder.parts()[0]).write_bytes(b"PAR1 not really")
    done = _prune(folder, NOW)
    assert [damage.path for damage in done.damaged] == folder.parts()


def test_a_whole_recipe_goes_with_its_parts(folder: CompletionFolder, tmp_path: Path) -> None:
    _write(folder, [1, 2])
    Path(folder.parts()[0]).with_name("part-0.parquet").write_bytes(b"damaged")
    would = drop(folder, dry_run=True)
    assert (would.before.parts, would.before.completions, len(folder.parts())) == (2, 2, 2)
    assert drop(folder, dry_run=False).after.parts == 0
    assert folder.parts() == list_scopes(str(tmp_path / "store")) == []
