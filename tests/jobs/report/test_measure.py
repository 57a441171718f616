"""What a run is taken for."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.report.chapters import make_chapter
from jobs.report.source import open_source


def extracted(run, write_parquet, tmp_path: Path, properties: dict[str, Any], task: str) -> Path:
    """A run of `extract`, or of what is taken for somebody's own task, with these columns."""
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": properties}))
    columns = {"text": [f"text {i}" for i in range(40)], "shop": ["x", "y"] * 20}
    run(write_parquet(columns, "tickets.parquet"), task="extract", options={"json_schema": str(schema)})
    manifest = tmp_path / "out/manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "task": task}))
    return tmp_path / "out"


@pytest.mark.parametrize("task", ["extract", "own.py:TASK"])
@pytest.mark.parametrize(
    "properties",
    [
        {"label": {"type": "array", "items": {"type": "string"}}, "intent": {"type": "array", "items": {}}},
        {"label": {"type": "string"}, "score": {"type": "number", "minimum": 73}},
        {"label": {"type": "string"}, "score": {"type": "string"}, "uncertainty": {"type": "string"}},
        {"title": {"type": "string"}, "body": {"type": "string"}},
        {"reply": {"type": "string"}, "needs_human": {"type": "string"}, "aspects": {"type": "string"}},
    ],
    ids=["lists", "another score", "texts", "title and body", "no reply"],
)
def test_columns_that_have_our_names_are_not_taken_for_ours(
    run, write_parquet, tmp_path: Path, properties, task: str
) -> None:
    chapter = make_chapter(open_source(extracted(run, write_parquet, tmp_path, properties, task)), (), 1)
    blocks = [block for section in chapter.sections for block in section.blocks]
    said = " ".join(block.title for block in blocks)
    assert "mean score" not in said
    assert "unsure" not in said
    is_labelled = task != "extract" and properties.get("label") == {"type": "string"}
    assert chapter.title == ("Labels of 40 tickets" if is_labelled else f"“{task}” of 40 tickets")
    if task == "extract":
        (table,) = [block for block in blocks if block.title == "The columns"]
        assert [cells[0].text for cells in table.rows] == list(properties)
