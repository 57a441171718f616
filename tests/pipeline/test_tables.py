"""Rows of a table as Python has them."""

import pyarrow as pa

from pipeline.tables import values_of


def test_what_python_has_no_value_for_is_a_text_or_null() -> None:
    blob = pa.array([b"ok", b"\xff", None])
    text = pa.Array.from_buffers(pa.string(), 3, blob.buffers())
    columns = {
        "number": pa.array([1, 2, 3]),
        "text": text,
        "texts": pa.ListArray.from_arrays([0, 1, 2, 3], text),
        "moment": pa.array([1, None, 2], pa.timestamp("ns")),
        "day": pa.array([4_000_000, 0, None], pa.int32()).cast(pa.date32()),
    }
    rows = values_of(pa.RecordBatch.from_pydict(columns))
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert [row["text"] for row in rows] == [b"ok", b"\xff", None]
    assert [row["texts"] for row in rows] == [None, None, None]
    assert [row["moment"] for row in rows] == ["1970-01-01 00:00:00.000000001", None, "1970-01-01 00:00:00.000000002"]
    assert len({row["day"] for row in rows}) == 3
