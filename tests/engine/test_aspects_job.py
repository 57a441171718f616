"""Aspects on the real engine: eight cost little more than one, for the text is computed once."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.samples import write_reviews
from pipeline.models import Model
from schemas.manifest import Manifest

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves

ASPECTS = ["battery", "price", "sound", "screen", "quality", "delivery", "service", "design"]


def _computed(manifest: Manifest) -> float:
    return (manifest.tokens.prompt - manifest.tokens.cached_prompt) / manifest.counts.rows


def test_eight_aspects_compute_little_more_than_one(
    smollm2: Model, run, write_parquet, results, tmp_path: Path
) -> None:
    sentences = tmp_path / "sentences.parquet"
    write_reviews(sentences, ("amazon",), print)
    texts = pq.read_table(sentences)["text"].to_pylist()
    reviews = write_parquet({"text": [" ".join(texts[i : i + 6]) for i in range(0, 144, 6)]})
    one, eight = (
        run(
            reviews,
            name,
            engine="vllm",
            model="smollm2-135m",
            store=str(tmp_path / "store" / name),
            options={"aspect_names": ASPECTS[:number]},
        )
        for name, number in (("one", 1), ("eight", 8))
    )
    assert (one.counts.sent, eight.counts.sent) == (2 * 24, 9 * 24)
    assert _computed(eight) / _computed(one) <= 1.6, (one.tokens, eight.tokens)
    for row in results("eight").to_pylist():
        assert [aspect["aspect"] for aspect in row["aspects"]] == ASPECTS
        for aspect in row["aspects"]:
            names = ("positive", "neutral", "negative", "mixed", "not_mentioned")
            assert sum(aspect[f"p_{name}"] for name in names) == pytest.approx(1)
