"""Reading: every row once, in parts by row groups, whatever the files look like."""

import base64
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import choose_id_column, choose_text_column
from pipeline.errors import RunError, UsageError
from pipeline.parts import plan_parts, read_batches, read_through
from pipeline.rows import longest_text_bytes, partition_values, read_rows
from pipeline.survey import InputFile, survey

_group = st.integers(0, 150_000).flatmap(
    lambda rows: st.tuples(st.just(rows), st.integers(0, 200 << 20 if rows else 0))
)
_groups = st.lists(_group, max_size=12)
_files = st.lists(_groups, min_size=1, max_size=4)


def _file(i: int, groups: list[tuple[int, int]]) -> InputFile:
    rows, sizes = tuple(r for r, _ in groups), tuple(s for _, s in groups)
    return InputFile(f"/{i}", str(i), sum(rows), sum(sizes), 0.0, rows, sizes)


@given(files=_files)
def test_parts_cover_every_row_once_in_order_and_none_is_too_large(files: list[list[tuple[int, int]]]) -> None:
    inputs = [_file(i, groups) for i, groups in enumerate(files)]
    parts = plan_parts(inputs, None, None, 0)
    stretches = [(p.file.name, p.offset, p.offset + p.rows) for part in parts for p in part.pieces if p.rows]
    for file in inputs:
        those = [(start, stop) for name, start, stop in stretches if name == file.name]
        assert [start for start, _ in those] == [0, *(stop for _, stop in those)][: len(those)]
        assert sum(stop - start for start, stop in those) == file.rows
    assert [name for name, _, _ in stretches] == sorted(name for name, _, _ in stretches)
    assert [part.index for part in parts] == list(range(len(parts)))
    for part in parts:
        assert part.rows <= 100_000
        assert part.size_bytes <= 64 << 20 or part.rows == 1 or len(part.pieces) == 1


@pytest.mark.parametrize("part_rows", [7, 10_000, 100_000])
def test_stretches_of_a_large_row_group_are_read_as_such(
    part_rows: int, write_parquet, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_rows = 40 if part_rows == 7 else 30_000
    file = write_parquet({"text": [f"{i}" for i in range(num_rows)]})
    monkeypatch.setattr("pipeline.parts._PART_ROWS", part_rows)
    parts = plan_parts(survey([str(file)]).files, None, None, 0)
    assert len(parts) == -(-num_rows // part_rows)
    rows = [row for part in parts for row in read_rows(part, {"text": "text"})]
    assert [row.values["text"] for row in rows] == [f"{i}".encode() for i in range(num_rows)]
    numbers = [number for part in parts for _, _, number, _ in read_batches(part, ["text"])]
    assert numbers == sorted(set(numbers))


@given(files=_files, count=st.integers(0, 40), seed=st.integers(0, 3))
def test_a_sample_draws_distinct_rows_and_is_repeatable(files, count: int, seed: int) -> None:
    inputs = [_file(i, groups) for i, groups in enumerate(files)]
    total = sum(f.rows for f in inputs)
    parts = plan_parts(inputs, None, count, seed)
    assert sum(part.rows for part in parts) == min(count, total)
    assert parts == plan_parts(inputs, None, count, seed)
    for part in parts:
        assert list(part.selected) == sorted(set(part.selected))
        assert part.selected[-1] < sum(piece.rows for piece in part.pieces)


@given(files=_files, count=st.integers(0, 1000))
def test_a_limit_takes_the_first_rows(files, count: int) -> None:
    inputs = [_file(i, groups) for i, groups in enumerate(files)]
    parts = plan_parts(inputs, count, None, 0)
    assert sum(part.rows for part in parts) == min(count, sum(f.rows for f in inputs))
    assert all(list(part.selected) == list(range(len(part.selected))) for part in parts)


TEXTS = ["a", None, "", "née 日本 🙂", "x\x00y", "שלום", "a" * 10_000]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_every_layout_of_text_reads_the_same(kind: pa.DataType, write_parquet) -> None:
    array = pa.array(TEXTS).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(TEXTS).cast(kind)
    file = write_parquet({"text": array})
    found = survey([str(file)])
    assert choose_text_column(found.schema, None, "text") == "text"
    (part,) = plan_parts(found.files, None, None, 0)
    rows = list(read_rows(part, {"text": "text"}))
    assert [r.values["text"] for r in rows] == [None if t is None else t.encode() for t in TEXTS]
    assert [r.ref.position for r in rows] == list(range(len(TEXTS)))
    assert longest_text_bytes([part], ["text"]) == 10_000


def test_a_folder_is_searched_deeply_and_hidden_files_are_not_read(write_parquet, tmp_path: Path) -> None:
    write_parquet({"text": ["b"]}, "in/b.parquet")
    write_parquet({"text": ["a"]}, "in/2026/a.parquet")
    write_parquet({"text": ["no"]}, "in/_temporary/c.parquet")
    write_parquet({"text": ["no"]}, "in/.d.parquet")
    (tmp_path / "in/notes.txt").write_text("not Parquet")
    found = survey([str(tmp_path / "in")])
    assert [f.name for f in found.files] == ["2026/a.parquet", "b.parquet"]
    assert [f.name for f in survey([str(tmp_path / "in/*.parquet")]).files] == ["b.parquet"]


def test_the_same_file_named_twice_is_read_once(write_parquet) -> None:
    file = write_parquet({"text": ["a"]})
    assert survey([str(file), str(file.parent), str(file)]).rows == 1


def test_files_with_equal_names_stay_apart(write_parquet, tmp_path: Path) -> None:
    one, other = write_parquet({"text": ["a"]}, "x/r.parquet"), write_parquet({"text": ["b"]}, "y/r.parquet")
    assert len({f.name for f in survey([str(one), str(other)]).files}) == 2


def test_files_with_different_columns_are_read_together(write_parquet) -> None:
    one = write_parquet({"text": ["a"], "n": pa.array([1], pa.int32())}, "in/1.parquet")
    write_parquet({"text": ["b"], "n": pa.array([2], pa.int64()), "extra": [True]}, "in/2.parquet")
    schema = survey([str(one.parent)]).schema
    assert schema.field("n").type == pa.int64()
    assert schema.names == ["text", "n", "extra"]


def test_texts_of_different_layouts_are_one_column(write_parquet, run, results, tmp_path: Path) -> None:
    write_parquet({"text": ["a"], "kind": pa.array(["x"]).dictionary_encode()}, "in/1.parquet")
    write_parquet({"text": pa.array(["b"], pa.string_view()), "kind": ["y"]}, "in/2.parquet")
    write_parquet(
        {"text": pa.array(["c"]).dictionary_encode(), "kind": pa.array(["z"], pa.large_string())}, "in/3.parquet"
    )
    assert run(tmp_path / "in").counts.ok == 3
    assert results().select(["text", "kind"]).to_pydict() == {"text": ["a", "b", "c"], "kind": ["x", "y", "z"]}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: d / "absent.parquet", "no Parquet files"),
        (lambda d: _write(d / "x.parquet", b"not Parquet at all"), "not readable Parquet"),
        (lambda d: _write(d / "x.parquet", b""), "not readable Parquet"),
    ],
)
def test_bad_input_is_named(make, words: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(UsageError, match=words) as caught:
        survey([str(path)])
    assert str(path) in str(caught.value)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _flip_a_page(file: Path) -> None:
    content = bytearray(file.read_bytes())
    at = content.index(b"spoil me")
    content[at] ^= 1
    file.write_bytes(content)


def _write_checked(write_parquet, name: str = "in/a.parquet") -> Path:
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    return write_parquet({"text": ["good"], "other": ["spoil me"]}, name, write_page_checksum=True, **plain)


def test_a_page_whose_checksum_is_wrong_is_an_error(write_parquet) -> None:
    file = _write_checked(write_parquet)
    _flip_a_page(file)
    (part,) = plan_parts(survey([str(file)]).files, None, None, 0)
    with pytest.raises(RunError, match=f"cannot read {re.escape(str(file))}: .*CRC"):
        list(read_batches(part, None))


def test_bad_files_can_be_left_out(write_parquet, tmp_path: Path) -> None:
    good, flipped, cut = (_write_checked(write_parquet, f"in/{name}.parquet") for name in "abc")
    _flip_a_page(flipped)
    cut.write_bytes(cut.read_bytes()[:-1])
    found = survey([str(tmp_path / "in")], read_through)
    assert [file.path for file in found.files] == [str(good)]
    assert [skipped.path for skipped in found.skipped] == [str(flipped), str(cut)]
    assert all(skipped.path in skipped.reason for skipped in found.skipped)
    good.write_bytes(b"")
    with pytest.raises(UsageError, match="none of the input's 3 files"):
        survey([str(tmp_path / "in")], read_through)


def test_a_name_that_is_not_utf8_is_found_before_anything_is_spent(write_parquet) -> None:
    kind = pa.timestamp("us", "Europe/Berlin")
    file = write_parquet(pa.schema([("text", pa.string()), ("when", kind)]).empty_table())
    schema = pq.read_metadata(file).metadata[b"ARROW:schema"]
    spoilt = base64.b64encode(base64.b64decode(schema).replace(b"Berlin", b"B\xf2rlin"))
    file.write_bytes(file.read_bytes().replace(schema, spoilt))
    with pytest.raises(UsageError, match="is not readable Parquet"):
        survey([str(file)])


def test_a_file_that_changes_during_a_run_ends_it(write_parquet) -> None:
    file = write_parquet({"text": ["a", "b"]})
    (part,) = plan_parts(survey([str(file)]).files, None, None, 0)
    write_parquet({"text": ["b", "a"]})
    os.utime(file, (1, 1))
    with pytest.raises(RunError, match="was changed"):
        list(read_rows(part, {"text": "text"}))


def test_files_that_disagree_on_a_type_are_refused(write_parquet) -> None:
    one = write_parquet({"text": ["a"]}, "in/1.parquet")
    write_parquet({"text": [[1]]}, "in/2.parquet")
    with pytest.raises(UsageError, match=r"2\.parquet does not fit"):
        survey([str(one.parent)])


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


def test_columns_are_guessed_by_name_or_because_there_is_only_one() -> None:
    s = pa.string()
    assert choose_text_column(_schema(id=s, Review=s, other=s), None, "text") == "Review"
    assert choose_text_column(_schema(id=s, whatever=s, n=pa.int64()), None, "text") == "whatever"
    assert choose_text_column(_schema(a=s, b=s), "b", "text") == "b"
    assert choose_id_column(_schema(Review_ID=pa.int64()), None) == "Review_ID"
    assert choose_id_column(_schema(id=pa.list_(s)), None) is None
    assert choose_id_column(_schema(a=s), None) is None


def test_a_guess_that_fails_lists_the_columns() -> None:
    with pytest.raises(UsageError) as caught:
        choose_text_column(_schema(first=pa.string(), second=pa.string()), None, "text")
    assert "first (string), second (string)" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        choose_text_column(_schema(n=pa.int64()), "n", "text")
    assert "int64" in caught.value.message
    with pytest.raises(UsageError, match="no column 'nope'"):
        choose_id_column(_schema(a=pa.string()), "nope")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, None, -2], ["1", None, "-2"]),
        ([1.0, None, -2.0, 0.5, float("inf"), float("nan")], ["1", None, "-2", "0.5", "inf", "nan"]),
        ([b"a\xff", "1.0", ""], ["a\ufffd", "1.0", ""]),
        ([True, False], ["True", "False"]),
    ],
)
def test_a_partition_has_one_name_in_whatever_type_its_column_is(values: list[object], names: list[str | None]) -> None:
    kind = pa.binary() if isinstance(values[0], bytes) else None
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], ["of"])
    assert partition_values(batch, "of") == names
