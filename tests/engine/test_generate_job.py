"""Generation on the real engine: valid by its schema, drawn the same for the same seed, and never twice."""

from pathlib import Path

import pytest

from jobs.tasks.generation import GenerationResult
from pipeline.models import Model

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


def test_briefs_become_valid_texts_and_a_seed_repeats_them(
    smollm2: Model, run, results, write_parquet, tmp_path: Path
) -> None:
    briefs = {"topic": ["Oak desk", "Rain jacket", "Night train"], "facts": [["79 euros"], ["blue"], ["to Rome"]]}
    file = write_parquet({**briefs, "format": ["headline"] * 3})
    settings = {"task": "generate", "engine": "vllm", "model": "smollm2-135m", "options": {"variants": 2}}
    first = run(file, "first", store=str(tmp_path / "one"), **settings)
    rows = results("first").to_pylist()
    assert len(rows) == first.counts.results == 6
    good = [row for row in rows if row["status"] == "ok"]
    assert good
    for row in good:
        GenerationResult.model_validate({name: row[name] for name in GenerationResult.model_fields})
    assert {row["error"]["class"] for row in rows if row["status"] == "failed"} <= {"invalid_answer"}
    again = run(file, "again", store=str(tmp_path / "one"), **settings)
    assert again.counts.sent == 0
    assert results("again").equals(results("first"))
