"""Models that think before they answer: vLLM's own parsers, on a model that is made to look like one of them."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.decoding import Choice, FreeText
from pipeline.elements import Request
from pipeline.engines.base import EngineNeeds
from pipeline.engines.vllm_engine import VllmSpec, split_reasoning
from pipeline.models import REASONING_PARSERS, Model, reasoning_parser_of
from pipeline.prompts import Text

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


@pytest.fixture
def thinker(smollm2: Model, tmp_path: Path) -> Path:
    """The small model with two of its unused tokens named as the marks of thought, and a template that opens one."""
    folder = tmp_path / "thinker"
    shutil.copytree(smollm2.folder, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text(encoding="utf-8")
        text = text.replace("<jupyter_start>", "<think>").replace("<jupyter_text>", "</think>")
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}<think>", encoding="utf-8")
    return folder


def test_every_parser_that_models_are_known_to_need_is_vllms() -> None:
    from vllm.reasoning import ReasoningParserManager

    assert set(REASONING_PARSERS.values()) <= set(ReasoningParserManager.list_registered())


def test_a_model_is_known_to_think_by_its_type_and_its_template(thinker: Path, smollm2: Model) -> None:
    assert reasoning_parser_of(smollm2.folder) is None
    config = json.loads((thinker / "config.json").read_text(encoding="utf-8"))
    (thinker / "config.json").write_text(json.dumps({**config, "model_type": "qwen3"}), encoding="utf-8")
    assert reasoning_parser_of(thinker) == "qwen3"
    (thinker / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    assert reasoning_parser_of(thinker) is None


def test_thoughts_are_told_from_the_answer_and_counted(thinker: Path) -> None:
    from vllm.reasoning import ReasoningParserManager
    from vllm.tokenizers import get_tokenizer

    tokenizer = get_tokenizer(str(thinker))
    parser = ReasoningParserManager.get_reasoning_parser("deepseek_r1")(tokenizer)
    text = "It works, so it is good.</think>\n\npositive"
    thought, answer, num_thought = split_reasoning(parser, text, tokenizer.encode(text, add_special_tokens=False))
    assert (thought, answer) == ("It works, so it is good.", "positive")
    assert num_thought == len(tokenizer.encode("It works, so it is good.</think>", add_special_tokens=False))
    thought, answer, _ = split_reasoning(parser, "I wonder", tokenizer.encode("I wonder", add_special_tokens=False))
    assert (thought, answer) == ("I wonder", "")


def test_the_engine_keeps_thoughts_out_of_answers_and_choices_do_not_think(thinker: Path) -> None:
    arguments = {"kv_cache_memory_bytes": 256 << 20, "max_num_seqs": 4, "reasoning_parser": "deepseek_r1"}
    engine = VllmSpec(EngineNeeds("run", 512, str(thinker), reasoning_tokens=24, arguments=arguments)).open()
    try:
        segments = (Text("The capital of France is"),)
        engine.submit(Request(b"f" * 16, segments, FreeText(max_tokens=8)))
        engine.submit(Request(b"c" * 16, segments, Choice(("a", "b"), (" Paris", " Rome"))))
        answers = {}
        while engine.in_flight:
            answers |= dict(engine.collect())
    finally:
        engine.close()
    free, choice = answers[b"f" * 16], answers[b"c" * 16]
    assert "Paris" in free.reasoning  # it never says that it has finished thinking
    assert free.text == ""
    assert 0 < free.output_tokens == free.reasoning_tokens <= 8 + 24
    assert (choice.text, choice.output_tokens, choice.reasoning) == ("a", 1, None)


def test_thoughts_are_a_column_only_when_asked_for(run, write_parquet, results, monkeypatch) -> None:
    from pipeline.engines.scripted import ScriptedEngine

    before = ScriptedEngine._answer

    def thinking(self, request):
        key, completion = before(self, request)
        return key, completion._replace(reasoning="Hm.", reasoning_tokens=2)

    monkeypatch.setattr(ScriptedEngine, "_answer", thinking)
    file = write_parquet({"text": ["a", None]})
    manifest = run(file, "kept", keep_reasoning=True)
    assert results("kept").column("reasoning").to_pylist() == ["Hm.", None]
    assert manifest.tokens.reasoning == 2
    run(file, "not kept")
    assert "reasoning" not in results("not kept").column_names
    assert results("not kept").to_pylist()[0]["meta"]["reasoning_tokens"] == 2
