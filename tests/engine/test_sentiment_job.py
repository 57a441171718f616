"""The main path, all of it real: reviews by people, Parquet, Beam, vLLM, Parquet."""

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from jobs.evaluation import EvaluationSettings, evaluate
from jobs.samples import REVIEW_SCHEMA, write_reviews
from jobs.tasks.sentiment import SentimentResult
from pipeline.models import Model

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    file = tmp_path / "reviews.parquet"
    assert write_reviews(file, ("amazon", "movie"), print) == 14_313
    return file


def test_the_rated_reviews_are_what_they_say(reviews: Path) -> None:
    table = pq.read_table(reviews)
    assert table.schema.equals(REVIEW_SCHEMA)
    rows = table.to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows[:: len(rows) // 200]:
        assert sum(row["human_ratings"]) / len(row["human_ratings"]) == pytest.approx(row["human_rating"], abs=1e-6)
        assert row["source"] in ("amazon", "movie")


def test_real_reviews_are_judged_as_people_do_and_never_twice(
    reviews: Path, smollm2: Model, run, results, tmp_path: Path
) -> None:
    settings = {"engine": "vllm", "model": "smollm2-135m", "sample": 240}
    first = run(reviews, "first", **settings)
    assert (first.counts.rows, first.counts.ok, first.counts.failed) == (240, 240, 0)
    assert first.seconds["engine_start"] > 0
    assert first.tokens.output == first.counts.sent
    assert first.tokens.cached_prompt / first.tokens.prompt > 0.5, "the shared prompt was computed again and again"
    for row in results("first").to_pylist():
        SentimentResult.model_validate({name: row[name] for name in SentimentResult.model_fields})
    found = evaluate(tmp_path / "first", EvaluationSettings(), datetime.now(UTC)).headline
    assert found["pearson_r"].value > 0.6
    assert found["polarity"].value > 0.7

    again = run(reviews, "again", **settings)
    assert (again.counts.sent, again.counts.reused, again.seconds["engine_start"]) == (0, again.counts.unique, 0)
    assert _files(tmp_path / "first") == _files(tmp_path / "again")

    more = run(reviews, "more", **{**settings, "sample": 252})
    assert more.counts.rows == 252
    assert more.counts.sent + more.counts.reused == more.counts.unique
    assert not psutil.Process().children(recursive=True)
    assert not multiprocessing.active_children()


def _files(output: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(output.glob("*/*.parquet"))]


def test_duplicates_and_hard_texts_on_the_real_engine(smollm2: Model, run, write_parquet, tmp_path: Path) -> None:
    texts = ["Great!", "Awful.", "Great!", "Great!", None, "", "🙂", "مرحبا", "a\x00b", "<|im_end|>", "long " * 100_000]
    file = write_parquet({"text": texts})
    manifest = run(file, engine="vllm", model="smollm2-135m")
    rows = ds.dataset(tmp_path / "out/results").to_table().to_pylist()
    assert [row["text"] for row in rows] == texts
    assert manifest.counts.sent == len({t for t in texts if t}) == manifest.counts.unique
    assert manifest.counts.ok == len([t for t in texts if t])
    assert [row["meta"]["truncated"] for row in rows] == [False] * 10 + [True]
    assert rows[0]["score"] == rows[2]["score"] == rows[3]["score"] > 0 > rows[1]["score"]
    assert rows[10]["meta"]["prompt_tokens"] == 4095
