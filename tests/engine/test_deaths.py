"""A row that the real engine dies of, for real, among two hundred good ones."""

from pathlib import Path

import pytest

from jobs.config import JobConfig
from schemas.envelope import ErrorClass

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves

SHORT = f"{Path(__file__).parent / 'short_task.py'}:TASK"
CHUNKED = {"enable_chunked_prefill": True, "max_num_batched_tokens": 512, "kv_cache_memory_bytes": 512 << 20}


def test_only_the_row_that_kills_the_engine_fails(smollm2, run, write_parquet, results) -> None:
    texts = [f"Parcel {i} came on day {i % 7}." for i in range(201)]
    texts[120] = "It never ends. " * 300
    file = write_parquet({"id": list(range(201)), "text": texts})
    manifest = run(file, task=SHORT, engine="vllm", model="smollm2-135m", context_tokens=2048, engine_args=CHUNKED)
    rows = results().to_pylist()
    failed = [row for row in rows if row["status"] == "failed"]
    assert [row["id"] for row in rows] == list(range(201))
    assert [row["id"] for row in failed] == [120]
    assert failed[0]["error"]["class"] == ErrorClass.ENGINE_DIED
    assert (manifest.counts.ok, manifest.counts.failed) == (200, 1)
    assert results(kind="dead_letters").column("id").to_pylist() == [120]
    assert all(row["said"] is not None for row in rows if row["id"] != 120)
    config = JobConfig.model_validate(manifest.config)
    assert config.allows_failed(1, 201)
    assert not config.model_copy(update={"max_failed": "0"}).allows_failed(1, 201)
