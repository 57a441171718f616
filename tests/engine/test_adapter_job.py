"""Fine-tuning and a job with what came of it, on the real model and engine."""

import io
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.samples import REVIEW_SCHEMA, write_reviews
from jobs.terminal import Terminal
from pipeline.adapters import adapter_digest, with_adapter
from pipeline.models import Model
from schemas.adapter import TrainingSettings

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


def test_a_job_answers_as_the_adapter_was_judged(smollm2: Model, run, results, tmp_path: Path) -> None:
    from jobs.adapting.finetune import FineTuning, finetune
    from jobs.adapting.learner import Learner
    from jobs.adapting.lectures import prepare_lectures

    write_reviews(tmp_path / "all.parquet", ("movie",), print)
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()[:3_200:20]
    gold = tmp_path / "gold.parquet"
    pq.write_table(pa.Table.from_pylist(rows, REVIEW_SCHEMA), gold)
    settings = TrainingSettings(epochs=1, held_out=0.3, checks_per_epoch=1, batch_rows=28, rank=4)
    out, terminal = tmp_path / "adapter", Terminal(io.StringIO())
    asked = FineTuning(gold, "sentiment", "smollm2-135m", out, settings=settings)
    card = finetune(asked, terminal)
    assert card is not None
    assert card.steps == 4

    manifest = run(gold, engine="vllm", model="smollm2-135m", adapter=str(out))
    assert manifest.counts.ok == 160
    assert manifest.model.adapter is not None
    assert manifest.recipe["adapter"] == manifest.model.adapter.digest == adapter_digest(out)
    scores = {row["text"]: row["score"] for row in results().to_pylist()}

    lectures = prepare_lectures(asked, terminal)
    unseen, merged = lectures.parts[2], with_adapter(smollm2, out, card, "sentiment", print).folder
    assert merged is not None
    judged = Learner(merged, settings, 1).judge(lectures.teacher.lessons(unseen), lambda by: None, adapted=False)
    shutil.rmtree(merged)
    assert judged.p is not None
    theirs = judged.p[:, 0] - judged.p[:, 2]
    np.testing.assert_allclose([scores[row.key] for row in unseen], theirs, atol=0.05)
