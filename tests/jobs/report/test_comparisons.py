"""What is said of groups of rows, and by which columns they can be compared."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.report.chapters import make_chapter
from jobs.report.comparisons import group_figures
from jobs.report.groups import Grouping
from jobs.report.make import make_report
from jobs.report.measure import Kind, Measure, encoded
from jobs.report.source import Source, open_source
from jobs.report.subject import Subject
from jobs.report.tally import Tally
from pipeline.errors import UsageError

OWN_TASK = """
from pipeline.decoding import FreeText
from pipeline.prompts import Chat, Message, Text
from pipeline.task import Example, Options, SimpleTask
from schemas.records import TextRecord
from schemas.results import Result

class Said(Result):
    said: str

class Own(SimpleTask[TextRecord, Said, Options]):
    name, version, summary = "own", 1, "Says it again."
    record, result, options_model, columns = TextRecord, Said, Options, ("said",)
    def prompt(self, record):
        return Chat((Message("user", (Text(record.text),)),))
    def decoding(self, record):
        return FreeText(9)
    def read(self, record, completion):
        return Said(said=completion.text)
    @classmethod
    def examples(cls):
        return [Example(TextRecord(text="a"), {"answer": "b"})]

TASK = Own
"""


def told(source: Source, kind: Kind, rows: dict[str, list[tuple[str, float]]]) -> str:
    """What is said of groups, given the class and the score of each of their rows."""
    grouping = Grouping("shop")
    for name, values in rows.items():
        classes, scores = zip(*values, strict=True)
        grouping.add(pa.array([name] * len(values)), encoded(pa.array(classes)), np.array(scores))
    counted = Tally([grouping], [], Counter(name for values in rows.values() for name, _ in values))
    (figure,) = group_figures(Subject(source, kind, Measure("label"), counted, "reviews"))
    return figure.title


def test_a_difference_is_told_only_if_it_is_sure(run, write_parquet, tmp_path: Path) -> None:
    run(write_parquet({"text": ["good"]}))
    source = open_source(tmp_path / "out")
    wide = [("mixed", (-1) ** i * 0.9) for i in range(40)]
    alike = {"a": [("mixed", 0.1)] * 5, "b": [("mixed", 0.2)] * 5, "c": wide}
    assert told(source, Kind.SENTIMENT, alike) == "By shop: no difference beyond chance"
    apart = {"a": [("negative", -0.5)] * 30, "b": [("positive", 0.5)] * 30}
    assert told(source, Kind.SENTIMENT, apart) == "By shop: “b” is judged best, “a” worst"
    few = {"a": [("late", 0.0)] * 5, "b": [("late", 0.0)] * 4 + [("lost", 0.0)]}
    assert told(source, Kind.LABELS, few) == "By shop: no difference beyond chance"
    many = {"a": [("late", 0.0)] * 30, "b": [("late", 0.0)] * 10 + [("lost", 0.0)] * 20}
    sure = "By shop: “late” most often “a” (100\u00a0%), least often “b” (33\u00a0%)"
    assert told(source, Kind.LABELS, many) == sure


def test_a_column_to_compare_by_needs_something_to_compare(run, write_parquet, tmp_path: Path) -> None:
    file = write_parquet({"text": [f"text {i}" for i in range(20)], "shop": ["x", "y"] * 10})
    task = tmp_path / "own.py"
    task.write_text(OWN_TASK)
    run(file, "plain", task=f"{task}:TASK")
    run(file, "labelled")
    said: list[str] = []
    with pytest.raises(UsageError, match="neither labels nor checks"):
        make_report([tmp_path / "plain"], None, ("shop",), "html", None, said.append)
    make_report([tmp_path / "labelled", tmp_path / "plain"], None, ("shop",), "html", None, said.append)
    assert said[-1] == f"{tmp_path / 'plain'} has neither labels nor checks: its rows are not compared by shop"


def test_large_numbers_are_read_and_what_is_not_finite_is_left_out(run, write_parquet, tmp_path: Path) -> None:
    numbers = [2**53 + 1 + i * 10**15 for i in range(40)]
    ratios = [*(i / 4 for i in range(38)), float("inf"), float("-inf")]
    run(write_parquet({"text": [f"text {i}" for i in range(40)], "number": numbers, "ratio": ratios}))
    make_chapter(open_source(tmp_path / "out"), ("number", "ratio"), 1)
