"""What is worth labelling, as a spreadsheet and back."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.adapting.gold_rows import from_cell, read_gold_rows, to_cell
from jobs.adapting.uncertain import choose_diverse, write_uncertain
from tests.jobs.test_cli import invoke


@given(st.text(min_size=1))
def test_a_cell_is_no_formula_and_comes_back(text: str) -> None:
    assert to_cell(text)[0] not in "=+-@\t\r"
    assert from_cell(to_cell(text)) == text


def test_uncertain_texts_that_differ_come_first() -> None:
    texts = ["the pump broke", "the pump broke!", "lovely colours", "fine"]
    assert choose_diverse(texts, np.array([0.9, 0.89, 0.6, 0.1]), 3)[:2] == [0, 2]


def test_rows_of_a_run_are_written_once_each(run, write_parquet, tmp_path: Path) -> None:
    run(write_parquet({"id": ["a", "b", "c"], "text": ["=1+1", "Fine, really", "=1+1"]}))
    file = tmp_path / "label.csv"
    assert write_uncertain(tmp_path / "out", file, 10) == 2
    rows = read_gold_rows(file)
    assert {row["text"] for row in rows} == {"=1+1", "Fine, really"}
    assert all(row["gold_label"] is None and row["label"] for row in rows)


def test_the_folder_may_be_the_one_where_one_is(run, write_parquet, tmp_path: Path, monkeypatch) -> None:
    run(write_parquet({"text": ["Fine"]}))
    monkeypatch.chdir(tmp_path / "out")
    code, out, _ = invoke("uncertain", ".")
    assert (code, (tmp_path / "out.to_label.csv").is_file()) == (0, True)
    assert "1 rows to label" in out
