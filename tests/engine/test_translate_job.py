"""Translation on the real engine. The small model knows English only, so this is about the job, not the language."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.samples import write_own
from jobs.tasks.translation import TranslationResult
from pipeline.models import Model
from pipeline.text.spans import Kind, find_spans

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


def test_texts_come_back_whole_checked_and_never_twice(smollm2: Model, run, results, tmp_path: Path) -> None:
    file = tmp_path / "sentences.parquet"
    assert write_own("sentences", file) == 60
    settings = {"task": "translate", "engine": "vllm", "model": "smollm2-135m", "limit": 12, "options": {"to": ["es"]}}
    first = run(file, "first", **settings)
    assert (first.counts.rows, first.counts.results) == (12, 12)
    assert first.tokens.cached_prompt > 0
    rows = results("first").to_pylist()
    sources = dict(zip(*(pq.read_table(file)[name].to_pylist() for name in ("id", "text")), strict=True))
    for row in rows:
        if row["status"] == "failed":
            assert row["error"]["class"] == "invalid_answer"
            continue
        TranslationResult.model_validate({name: row[name] for name in TranslationResult.model_fields})
        assert row["translation"].count("\n") == sources[row["id"]].count("\n")
        # Independently of the check's code: where it says that placeholders are kept, each one is there.
        if {"name": "placeholders", "passed": True, "detail": None} in row["checks"]:
            for span in find_spans(sources[row["id"]], {Kind.PLACEHOLDER, Kind.TAG}):
                assert span.value in row["translation"]
    again = run(file, "again", **settings)
    assert (again.counts.sent, again.seconds["engine_start"]) == (0, 0)
    assert results("again").equals(results("first"))
