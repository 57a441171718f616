"""Generation on the real engine: valid by its schema, drawn the same for the same seed, and never twice."""

from pathlib import Path

import pytest

from jobs.samples import write_own
from jobs.tasks.generation import GenerationResult
from pipeline.models import Model

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


def test_briefs_become_valid_texts_and_a_seed_repeats_them(smollm2: Model, run, results, tmp_path: Path) -> None:
    file = tmp_path / "briefs.parquet"
    assert write_own("briefs", file) == 60
    settings = {"task": "generate", "engine": "vllm", "model": "smollm2-135m", "limit": 6, "options": {"variants": 2}}
    first = run(file, "first", store=str(tmp_path / "one"), **settings)
    rows = results("first").to_pylist()
    assert len(rows) == first.counts.results >= 12
    good = [row for row in rows if row["status"] == "ok"]
    assert len(good) > len(rows) / 2
    for row in good:
        GenerationResult.model_validate({name: row[name] for name in GenerationResult.model_fields})
    assert {row["error"]["class"] for row in rows if row["status"] == "failed"} <= {"invalid_answer"}
    again = run(file, "again", store=str(tmp_path / "one"), **settings)
    assert again.counts.sent == 0
    assert results("again").equals(results("first"))
