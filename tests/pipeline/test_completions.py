"""The completion store: what was appended is found again, whole parts only, damage is survived."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.completions import CompletionFolder, CompletionWriter
from pipeline.elements import Completion
from pipeline.errors import UsageError
from pipeline.recipe import Recipe
from pipeline.store_parts import read_fingerprints, read_rows_of

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_completions = st.builds(
    Completion,
    text=_texts,
    label_logprobs=st.none() | st.lists(st.floats(-50, 0), min_size=1).map(tuple),
    prompt_tokens=st.integers(0, 2**31 - 1),
    cached_prompt_tokens=st.integers(0, 2**31 - 1),
    output_tokens=st.integers(0, 2**31 - 1),
    finish_reason=st.sampled_from(["stop", "length"]),
    run_id=_texts,
    reasoning=st.none() | _texts,
    reasoning_tokens=st.integers(0, 2**31 - 1),
)
RECIPE = Recipe("t", 1, {}, "m", "d", None, {}, 4096)


def _read(part: str) -> dict[bytes, Completion]:
    keys = [bytes(key).ljust(16, b"\0") for key in read_fingerprints(part)]
    return dict(zip(keys, read_rows_of(part, range(len(keys))), strict=False))


def _folder(path: Path) -> CompletionFolder:
    folder = CompletionFolder.of(str(path), RECIPE.scope())
    folder.prepare(RECIPE)
    return folder


@settings(max_examples=25)
@given(pairs=st.dictionaries(st.binary(min_size=16, max_size=16), _completions, max_size=10))
def test_completions_come_back_as_they_were(pairs: dict[bytes, Completion], tmp_path_factory) -> None:
    folder = _folder(tmp_path_factory.mktemp("store"))
    folder.write_part(list(pairs), list(pairs.values()))
    (part,) = folder.parts()
    assert _read(part) == pairs


def _completion(text: str) -> Completion:
    return Completion(text, None, 1, 0, 1, "stop", "run")


def test_a_writer_appends_when_enough_or_long_enough_and_when_closed(tmp_path: Path) -> None:
    folder, now = _folder(tmp_path), [0.0]
    writer = CompletionWriter(folder, flush_seconds=5, flush_rows=3, clock=lambda: now[0])
    found = []

    def add(i: int) -> None:
        writer.add([(bytes([i]) * 16, _completion(str(i)))])
        found.append(len(folder.parts()))

    add(1), add(2), add(3)  # three are enough
    now[0] = 4.9
    add(4)
    now[0] = 5.1
    add(5)  # long enough since the last part
    add(6)
    writer.close()
    writer.close()
    assert found == [0, 0, 1, 1, 2, 2]
    stored = [c.text for part in folder.parts() for c in _read(part).values()]
    assert stored == ["1", "2", "3", "4", "5", "6"]


def test_half_written_parts_are_never_listed(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.write_part([b"a" * 16], [_completion("x")])
    (Path(folder.path) / ".part-1.parquet.abc.tmp").write_bytes(b"PAR1 half")
    assert len(folder.parts()) == 1


def test_a_damaged_part_is_skipped_and_the_others_are_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.write_part([b"a" * 16], [_completion("kept")])
    folder.write_part([b"b" * 16], [_completion("flipped")])
    folder.write_part([b"c" * 16], [_completion("truncated")])
    _, flipped, truncated = map(Path, folder.parts())
    content = bytearray(flipped.read_bytes())
    content[60] ^= 0xFF
    flipped.write_bytes(content)
    truncated.write_bytes(truncated.read_bytes()[:-30])
    assert [c.text for part in folder.parts() for c in _read(part).values()] == ["kept"]


def test_a_store_says_what_recipe_it_is_for(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    assert '"task": "t"' in (Path(folder.path) / "recipe.json").read_text()
    folder.prepare(RECIPE)
    assert len(list(Path(folder.path).iterdir())) == 1


def test_two_runs_may_make_a_store_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        for i in range(20):
            folders = list(threads.map(_folder, [tmp_path / str(i)] * 16))
            assert {f.path for f in folders} == {folders[0].path}
            assert [f.name for f in Path(folders[0].path).iterdir()] == ["recipe.json"]


def test_a_store_on_a_filesystem_that_is_not_known_is_one_line() -> None:
    with pytest.raises(UsageError, match="cannot use the store x://y: Unable to get filesystem"):
        CompletionFolder.of("x://y", "scope")
