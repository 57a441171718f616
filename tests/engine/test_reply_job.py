"""Support replies on the real engine. The small model writes poor replies, so this is about the job, not the words."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.samples import write_own
from jobs.tasks.reply import Reply, ReplyResult
from pipeline.models import Model

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


def test_conversations_are_answered_judged_and_checked_and_never_twice(
    smollm2: Model, run, results, tmp_path: Path
) -> None:
    file = tmp_path / "conversations.parquet"
    assert write_own("conversations", file) == 60
    options = {"min_words": 5, "max_words": 25}
    settings = {"task": "reply", "engine": "vllm", "model": "smollm2-135m", "limit": 8, "options": options}
    first = run(file, "first", **settings)
    assert (first.counts.rows, first.counts.results) == (8, 8)
    assert first.tokens.cached_prompt / first.tokens.prompt > 0.5, "the shared prompt was computed again and again"
    rows = results("first").to_pylist()
    for row in rows:
        if row["status"] == "failed":
            assert row["error"]["class"] == "invalid_answer"
            continue
        result = ReplyResult.model_validate({name: row[name] for name in ReplyResult.model_fields})
        for probability in (result.intent_probability, result.needs_human_probability, result.language_confidence):
            assert 0 <= probability <= 1
        assert result.needs_human == (result.needs_human_reason is not None)
        assert [check.name for check in result.checks] == list(Reply.checks)
        assert row["language"] == row["input_language"]
        assert row["meta"]["requests"] in (4, 5)
    assert sum(row["status"] == "ok" for row in rows) > 0
    assert [row["id"] for row in rows] == pq.read_table(file)["id"].to_pylist()[:8]
    again = run(file, "again", **settings)
    assert (again.counts.sent, again.seconds["engine_start"]) == (0, 0)
    assert results("again").equals(results("first"))
