"""Translations against references, and sacrebleu's own word on them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.gates import FIGURES
from jobs.evaluation.translations import Translated
from schemas.evaluation import EVALUATION_NAME, Evaluation
from tests.jobs.test_cli import invoke

TEXTS = [f"The {colour} cat sat on mat number {i}." for i, colour in enumerate(("red", "blue", "old", "shy") * 5)]
REFERENCES = [text.replace("sat", "was sitting") if i % 2 else text for i, text in enumerate(TEXTS)]


def translated() -> Translated:
    everywhere = np.ones(20, np.bool_)
    return Translated(everywhere, TEXTS, REFERENCES, ["en"] * 20, np.arange(20.0))


def test_figures_are_sacrebleus() -> None:
    found = translated().figures(Resampling(100))
    for name, metric in (("chrf", CHRF()), ("chrf_plus", CHRF(word_order=2)), ("bleu", BLEU()), ("ter", TER())):
        assert found[name].value == pytest.approx(metric.corpus_score(TEXTS, [REFERENCES]).score)
        assert name == "ter" or found[name].low <= found[name].value <= found[name].high
    assert set(found) <= set(FIGURES)
    sentences = [CHRF().sentence_score(t, [r]).score for t, r in zip(TEXTS, REFERENCES, strict=True)]
    assert found["sentence_chrf"].value == pytest.approx(np.mean(sentences))
    assert found["estimate_r"].value == pytest.approx(np.corrcoef(np.arange(20), sentences)[0, 1])
    assert found == translated().figures(Resampling(100))


def test_signatures_say_what_was_computed() -> None:
    signatures = translated().signatures()
    assert "nw:2" in signatures["chrf_plus"]
    assert "tok:13a" in signatures["bleu"]
    some = Translated(np.ones(1, np.bool_), ["一 二"], ["一 二"], ["zh"], np.array([np.nan]))
    assert "tok:char" in some.signatures()["bleu"]


def test_each_language_meets_its_reference(run, write_parquet, results, tmp_path: Path) -> None:
    ids = [str(i) for i in range(20)]
    file = write_parquet({"id": ids, "text": TEXTS, "ref_es": REFERENCES, "ref_de": TEXTS})
    run(file, task="translate", options={"to": ["es", "de"], "source": "en", "retry": False})
    flags = ("--reference", "ref_{language}", "--by", "target_language", "--resamples", "20")
    code, out, _ = invoke("evaluate", tmp_path / "out", *flags)
    assert code == 0
    assert "not_copied" in out
    found = Evaluation.model_validate_json((tmp_path / "out" / EVALUATION_NAME).read_bytes())
    assert found.headline["chrf"].rows == 40
    assert [one.rows for one in found.slices[0].slices] == [20, 20]
    assert set(found.signatures) == {"chrf", "chrf_plus", "bleu", "ter"}

    spanish = [row["translation"] for row in results().to_pylist() if row["target_language"] == "es"]
    gold = {"id": [*ids, *ids], "target_language": ["es"] * 20 + ["de"] * 20, "reference": spanish + TEXTS}
    pq.write_table(pa.table(gold), tmp_path / "gold.parquet")
    flags = ("--gold", tmp_path / "gold.parquet", "--resamples", "0", "--by", "target_language")
    assert invoke("evaluate", tmp_path / "out", *flags)[0] == 0
    joined = Evaluation.model_validate_json((tmp_path / "out" / EVALUATION_NAME).read_bytes())
    assert joined.headline["chrf"].rows == joined.compared == 40
    by_language = {one.where["target_language"]: one.figures["chrf"].value for one in joined.slices[0].slices}
    assert by_language["es"] == pytest.approx(100)
    assert by_language["de"] < 50
    assert not {"f1", "precision", "recall"} & set(joined.headline)
    assert joined.fields == []
    code, _, err = invoke("evaluate", tmp_path / "out", "--reference", "refs_{language}")
    assert (code, "no column 'refs_de'" in err) == (2, True)


def test_replies_and_texts_need_no_gold(run, write_parquet, tmp_path: Path) -> None:
    file = write_parquet({"topic": ["a lamp", "a chair", "a table"], "format": ["social_post"] * 3})
    run(file, task="generate", options={"retry": False})
    code, out, err = invoke("evaluate", tmp_path / "out", "--resamples", "20")
    assert code == 0, err
    assert "strict_pass_rate" in out
    assert "distinct_2" in out
