"""A cascade on whole runs: two models that are told apart, over real Parquet."""

import hashlib
import math
from collections import Counter
from types import SimpleNamespace
from typing import ClassVar

import pytest

from jobs.cascading.setup import prepare_cascade
from jobs.config import JobConfig
from jobs.tasks.sentiment import LABELS
from pipeline import metrics
from pipeline.elements import Request
from pipeline.engines.base import Answered
from pipeline.engines.scripted import ScriptedEngine, ScriptedSpec
from pipeline.errors import UsageError
from pipeline.prompts import Text, readable

CASCADE = "scripted-small,scripted-large"


def _number(text: str, salt: str) -> float:
    """In [0, 1), by the text alone."""
    return int.from_bytes(hashlib.sha256(f"{salt}{text}".encode()).digest()[:6], "big") / 2**48


def truth(text: str) -> str:
    return LABELS[int(4 * _number(text, "truth"))]


def guess(text: str) -> tuple[str, float]:
    """What the small model says, and how sure it is: mostly right where it is sure."""
    sure = 0.4 + 0.59 * _number(text, "sure")
    if _number(text, "right") < (0.999 if sure > 0.7 else sure):
        return truth(text), sure
    return LABELS[(LABELS.index(truth(text)) + 1) % 4], sure


class TwoModels(ScriptedEngine):
    """Answers as the model that its spec names."""

    sent: ClassVar[Counter[str]] = Counter()
    opened: ClassVar[list[str]] = []

    def __init__(self, spec: ScriptedSpec) -> None:
        super().__init__(spec)
        self.opened.append(spec.model)

    def _answer(self, request: Request) -> Answered:
        key, completion = super()._answer(request)
        text = readable([s for s in request.segments if isinstance(s, Text)]).strip()
        model = self._spec.model
        self.sent[model] += 1
        label, p = guess(text) if model == "scripted-small" else (truth(text), 0.9)
        logprobs = tuple(math.log(p if one == label else (1 - p) / 3) for one in LABELS)
        return key, completion._replace(text=label, label_logprobs=logprobs)


@pytest.fixture(autouse=True)
def two_models(monkeypatch: pytest.MonkeyPatch) -> type[TwoModels]:
    monkeypatch.setattr(ScriptedSpec, "open", lambda spec: TwoModels(spec))
    TwoModels.sent.clear()
    TwoModels.opened.clear()
    return TwoModels


def texts(number: int) -> list[str | None]:
    return [None if i % 97 == 0 else f"text {i % (number - number // 10)}" for i in range(number)]


TEXTS = texts(2000)


def test_the_sure_rows_are_the_small_models_and_the_others_the_large_ones(run, write_parquet, results) -> None:
    file = write_parquet({"text": TEXTS})
    manifest = run(file, cascade=CASCADE, target=0.95)
    rows = results().to_pylist()
    assert [row["text"] for row in rows] == TEXTS
    answered = [row for row in rows if row["status"] == "ok"]
    assert len(answered) == manifest.counts.ok == sum(bool(t) for t in TEXTS)
    by_model = Counter(row["meta"]["model"] for row in answered)
    small, large = manifest.cascade.models
    assert by_model == {"scripted-small": small.rows, "scripted-large": large.rows}
    for row in answered:
        kept = small.gate.keeps(None, *guess(row["text"]))
        assert row["meta"]["model"] == ("scripted-small" if kept else "scripted-large")
        assert row["label"] == (guess(row["text"])[0] if kept else truth(row["text"]))
        assert row["meta"]["recipe"] == (small if kept else large).recipe_digest
    agree = sum(row["label"] == truth(row["text"]) for row in answered) / len(answered)
    assert agree >= 0.95
    assert small.rows > 0.4 * len(answered)
    assert manifest.cascade.sample > 290
    assert manifest.cascade.proven
    board = metrics.board()  # the sample is no progress
    assert (metrics.rows_done(board), board[metrics.OK]) == (len(TEXTS), manifest.counts.ok)
    assert board[metrics.FAILED] == manifest.counts.failed


def test_each_model_is_asked_once_for_each_text_the_samples_included(run, write_parquet, two_models) -> None:
    file = write_parquet({"text": TEXTS})
    manifest = run(file, cascade=CASCADE, target=0.95)
    small, large = manifest.cascade.models
    assert two_models.sent == {"scripted-small": small.sent, "scripted-large": large.sent}
    assert small.sent == len({t for t in TEXTS if t})
    assert manifest.counts.sent == manifest.counts.unique == small.sent + large.sent
    assert two_models.opened == ["scripted-large", "scripted-small", "scripted-large"]
    again = run(file, "again", cascade=CASCADE, target=0.95)
    assert again.counts.sent == 0
    assert again.counts.unique == again.counts.reused
    assert again.recipe_digest == manifest.recipe_digest
    assert again.cascade.models[0].gate == small.gate


def test_by_confidence_nothing_is_learnt(run, write_parquet, results, two_models) -> None:
    manifest = run(write_parquet({"text": texts(300)}), cascade=CASCADE, confidence=0.8)
    for row in results().to_pylist():
        if row["status"] == "ok":
            sure = guess(row["text"])[1] >= 0.8
            assert row["meta"]["model"] == ("scripted-small" if sure else "scripted-large")
    assert manifest.cascade.sample == 0
    assert manifest.cascade.target is None
    assert two_models.opened == ["scripted-small", "scripted-large"]


def test_what_proves_no_saving_is_all_the_large_models(run, write_parquet, results, two_models) -> None:
    manifest = run(write_parquet({"text": texts(200)}), cascade=CASCADE, target=0.99)
    assert {row["meta"]["model"] for row in results().to_pylist()} == {"scripted-large"}
    assert not manifest.cascade.proven
    assert [model.rows for model in manifest.cascade.models] == [0, manifest.counts.ok]
    assert two_models.sent["scripted-small"] <= 40


def test_partitions_have_thresholds_of_their_own(run, write_parquet, results) -> None:
    names = [("shop", "film", "rare")[min(2, i % 20 // 9)] for i in range(2500)]
    file = write_parquet({"text": [f"text {i}" for i in range(2500)], "source": names})
    manifest = run(file, cascade=CASCADE, target=0.95, cascade_by="source", cascade_sample=800)
    gate = manifest.cascade.models[0].gate
    assert set(gate.by_partition) == {"shop", "film"}
    for row in results().to_pylist():
        kept = gate.keeps(row["source"], *guess(row["text"]))
        assert row["meta"]["model"] == ("scripted-small" if kept else "scripted-large")


def test_a_budget_that_is_spent_stops_both_and_the_same_command_goes_on(run, write_parquet, results) -> None:
    file = write_parquet({"text": texts(600)})
    first = run(file, cascade=CASCADE, confidence=0.8, budget={"rows": 200})
    assert first.incomplete
    assert first.counts.rows == first.counts.ok + first.counts.failed
    second = run(file, cascade=CASCADE, confidence=0.8)
    whole = run(file, "whole", cascade=CASCADE, confidence=0.8, store=str(file.parent / "other"))
    assert first.counts.sent + second.counts.sent == whole.counts.sent
    assert results().column("label").to_pylist() == results("whole").column("label").to_pylist()


def test_a_budget_is_spent_once_and_a_sample_without_answers_proves_nothing(run, write_parquet, two_models) -> None:
    file = write_parquet({"text": [f"text {i}" for i in range(2000)]})
    manifest = run(file, cascade=CASCADE, target=0.9, budget={"rows": 200})
    assert two_models.sent == {"scripted-large": 200, "scripted-small": 200}
    assert not manifest.cascade.proven
    assert run(file, cascade=CASCADE, target=0.9).cascade.proven


def test_rows_without_a_result_count_as_drawn(run, write_parquet) -> None:
    manifest = run(write_parquet({"text": [None, "text"] * 100}), cascade=CASCADE, target=0.9, cascade_sample=100)
    assert manifest.cascade.sample == 100


def test_models_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(config: JobConfig, *_: object) -> SimpleNamespace:
        plan, where = SimpleNamespace(task=SimpleNamespace(judges=True)), SimpleNamespace(shares_memory=True)
        return SimpleNamespace(model=SimpleNamespace(name="base+adapter", digest=config.model), plan=plan, where=where)

    monkeypatch.setattr("jobs.cascading.setup.prepare", prepare)
    config = JobConfig(task="sentiment", inputs=("a",), output="out", cascade="a,b", target=0.9)
    with pytest.raises(UsageError, match="have one name"):
        prepare_cascade(config, "run", "building", print)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cascade": CASCADE, "target": 0.9, "options": {"aspect_names": ["price"]}}, "no label"),
        ({"cascade": CASCADE, "target": 0.9, "cascade_by": "nowhere"}, "no column"),
        ({"cascade": CASCADE, "target": 0.9, "cascade_by": "text", "redact": True}, "would be in the manifest"),
        ({"cascade": CASCADE, "target": 0.9, "cascade_by": "b", "redact": True, "empty_columns": ("b",)}, "manifest"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_asked(settings, said, run, write_parquet, two_models) -> None:
    with pytest.raises(UsageError, match=said):
        run(write_parquet({"text": ["a"], "b": ["b"]}), **settings)
    assert not two_models.opened
