"""Models to Arrow: every kind of field goes to disk and comes back as it was."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from schemas.arrow import arrow_schema, arrow_type
from schemas.envelope import ErrorClass, ErrorInfo


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    name: str
    share: float | None


class Everything(BaseModel):
    flag: bool
    number: int = Field(ge=-(2**63), lt=2**63)
    real: float = Field(allow_inf_nan=False)
    text: str
    data: bytes
    moment: datetime
    day: date
    choice: Literal["a", "b"]
    colour: Colour
    maybe: int | None = Field(ge=-(2**63), lt=2**63)
    many: list[str]
    pair: tuple[float, ...]
    inner: Inner
    inners: list[Inner]
    table: dict[str, float]


_moments = st.datetimes(timezones=st.just(UTC))
_reals = st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(st.characters(exclude_categories=["Cs"]))
_inners = st.builds(Inner, name=_texts, share=st.none() | _reals)
_everything = st.builds(
    Everything,
    number=st.integers(-(2**63), 2**63 - 1),
    real=_reals,
    text=_texts,
    moment=_moments,
    maybe=st.none() | st.integers(-(2**63), 2**63 - 1),
    many=st.lists(_texts),
    pair=st.lists(_reals).map(tuple),
    inner=_inners,
    inners=st.lists(_inners),
    table=st.dictionaries(_texts, _reals),
)


@given(rows=st.lists(_everything, max_size=4))
def test_rows_come_back_from_parquet_as_they_were(rows: list[Everything]) -> None:
    table = pa.Table.from_pylist([row.model_dump() for row in rows], arrow_schema(Everything))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    back = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert back.schema.equals(table.schema)
    assert [Everything.model_validate(_plain(row)) for row in back.to_pylist()] == rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "table": dict(row["table"])}


def test_aliases_name_the_columns() -> None:
    assert arrow_schema(ErrorInfo).names == ["class", "message", "attempts"]
    assert ErrorInfo(error_class=ErrorClass.NULL_TEXT, message="m", attempts=0).error_class == "null_text"


@pytest.mark.parametrize("annotation", [object, int | str, dict[int, str], set[int], Any])
def test_what_has_no_arrow_type_is_refused(annotation: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        arrow_type(annotation)
