"""Writing a part: every result of every row, in the input's order, or nothing at all."""

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.elements import NO_COST, Cost, Failure, Outcome
from pipeline.errors import RunError
from pipeline.layout import DEAD_LETTERS, RESULTS, OutputLayout
from pipeline.outputs import write_part
from pipeline.parts import Part, plan_parts
from pipeline.survey import survey
from schemas.envelope import ErrorClass

NUM_ROWS = 40
LAYOUT = OutputLayout(
    pa.schema([("text", pa.string())]),
    None,
    pa.schema([("side", pa.string()), ("size", pa.int64())]),
    "model",
    "recipe",
)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Part:
    """All rows of a few files, each of which is read as a batch."""
    folder = tmp_path_factory.mktemp("input")
    for start in range(0, NUM_ROWS, 16):
        texts = [f"text {i}" for i in range(start, min(NUM_ROWS, start + 16))]
        pq.write_table(pa.table({"text": texts}), folder / f"{start:02d}.parquet")
    (whole,) = plan_parts(survey([str(folder)]).files, None, None, 0)
    return whole


@pytest.fixture(scope="module")
def write(part: Part, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, bytes]]:
    """Writes outcomes of the part; returns the files by their folders."""

    def run(outcomes: list[Outcome]) -> dict[str, bytes]:
        folder = tmp_path_factory.mktemp("output")
        for name in (RESULTS, DEAD_LETTERS):
            (folder / name).mkdir()
        try:
            write_part(str(folder), part, outcomes, LAYOUT)
        except RunError:
            assert not list(folder.rglob("*.parquet"))
            raise
        return {file.parent.name: file.read_bytes() for file in folder.rglob("*.parquet")}

    return run


def _outcome(position: int, branch: int = 0, of: int = 1) -> Outcome:
    if position % 7 == branch:
        failure = Failure(ErrorClass.INVALID_ANSWER, f"no {position}", 1, "said")
        return Outcome(position, branch, of, False, NO_COST, {"side": str(branch)}, failure)
    cost = Cost("run", 1, 10 + position, 0, 2, 0, "stop")
    return Outcome(position, branch, of, position % 3 == 0, cost, {"size": position, "side": str(branch)}, None)


def _outcomes(of: list[int]) -> list[Outcome]:
    """The outcomes of rows that have so many each."""
    return [_outcome(position, branch, num) for position, num in enumerate(of) for branch in range(num)]


def _table(file: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(file))


def test_one_result_a_row_is_written_as_it_is(write: Callable[..., dict[str, bytes]]) -> None:
    outcomes = _outcomes([1] * NUM_ROWS)
    files = write(outcomes)
    rows = _table(files[RESULTS]).to_pylist()
    assert [row["text"] for row in rows] == [f"text {i}" for i in range(NUM_ROWS)]
    assert [row["size"] for row in rows] == [outcome.values.get("size") for outcome in outcomes]
    assert [row["status"] for row in rows] == ["failed" if outcome.failure else "ok" for outcome in outcomes]
    assert [row["meta"]["prompt_tokens"] for row in rows] == [outcome.cost.prompt_tokens for outcome in outcomes]
    assert [row["meta"]["truncated"] for row in rows] == [outcome.truncated for outcome in outcomes]
    dead = _table(files[DEAD_LETTERS]).to_pylist()
    assert [row["text"] for row in dead] == [f"text {i}" for i in range(0, NUM_ROWS, 7)]


@given(of=st.lists(st.integers(1, 3), min_size=NUM_ROWS, max_size=NUM_ROWS), shuffle=st.randoms(use_true_random=False))
def test_results_come_in_order_whatever_the_order_of_outcomes(
    write: Callable[..., dict[str, bytes]], of: list[int], shuffle: random.Random
) -> None:
    outcomes = _outcomes(of)
    shuffled = shuffle.sample(outcomes, len(outcomes))
    files = write(shuffled)
    assert files == write(outcomes)
    rows = _table(files[RESULTS]).to_pylist()
    assert [(row["text"], row["side"]) for row in rows] == [(f"text {o.position}", str(o.branch)) for o in outcomes]


def test_rows_of_one_result_each_may_come_in_any_order(
    write: Callable[..., dict[str, bytes]],
) -> None:
    outcomes = _outcomes([1] * NUM_ROWS)
    assert write(outcomes) == write(outcomes[::-1])


@pytest.mark.parametrize("of", [1, 2])
@pytest.mark.parametrize("position", [0, 15, NUM_ROWS - 1])
def test_a_result_that_is_missing_or_came_twice_is_an_error(
    write: Callable[..., dict[str, bytes]], of: int, position: int
) -> None:
    outcomes = _outcomes([of] * NUM_ROWS)
    i = position * of
    for wrong in (outcomes[:i] + outcomes[i + 1 :], [*outcomes, outcomes[i]]):
        with pytest.raises(RunError, match="a bug in Textmill"):
            write(wrong)
    others = [outcome for outcome in outcomes if outcome.position != position]
    with pytest.raises(RunError, match=f"{NUM_ROWS - 1} rows came back"):
        write(others)
    twice = [*others, *(outcome for outcome in outcomes if outcome.position == (position + 1) % NUM_ROWS)]
    with pytest.raises(RunError, match="with results missing or twice"):
        write(twice)


@pytest.mark.parametrize("wrong", [_outcome(3, 1, 1), _outcome(3, 0, 2), _outcome(3, 1, 2)])
def test_a_single_result_that_should_be_one_of_several_is_an_error(
    write: Callable[..., dict[str, bytes]], wrong: Outcome
) -> None:
    outcomes = _outcomes([1] * NUM_ROWS)
    outcomes[3] = wrong
    with pytest.raises(RunError, match="with results missing or twice"):
        write(outcomes)


def test_nothing_came_back(write: Callable[..., dict[str, bytes]]) -> None:
    with pytest.raises(RunError, match="0 rows came back"):
        write([])


def test_only_selected_rows_are_written(part: Part, tmp_path: Path) -> None:
    for name in (RESULTS, DEAD_LETTERS):
        (tmp_path / name).mkdir()
    chosen = (1, 2, 36)  # none of the second batch
    selected = Part(part.index, part.pieces, chosen)
    write_part(str(tmp_path), selected, [_outcome(i) for i in reversed(chosen)], LAYOUT)
    rows = pq.read_table(tmp_path / RESULTS).to_pylist()
    assert [(row["text"], row["size"]) for row in rows] == [(f"text {i}", i) for i in chosen]
