"""The scripted engine: what it says of its tokens is what its tokenizer makes of the prompt."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.decoding import Choice, FreeText
from pipeline.elements import Completion, Request
from pipeline.engines.base import EngineNeeds
from pipeline.engines.scripted import ScriptedSpec
from pipeline.prompts import Border, Pad, Segment, Text
from pipeline.tokens import BytesTokenizer, encode_all

_words = st.text(st.sampled_from("ab\n é漢😀"), max_size=80)
_segments = st.lists(st.one_of(_words, _words.map(Text), _words.map(Border), st.just(Pad())), max_size=8)


def _answer(*segments: Segment, script: str, choice: bool) -> Completion:
    engine = ScriptedSpec(EngineNeeds("run", 4096, None), lambda _: script).open()
    decoding = Choice(("yes", "no"), ("yes", "no")) if choice else FreeText(9)
    engine.submit(Request(bytes(16), segments, decoding))
    ((_, answer),) = engine.collect()
    assert isinstance(answer, Completion)
    return answer


@given(segments=_segments)
def test_prompt_tokens_are_those_of_the_encoded_prompt(segments: list[Segment]) -> None:
    answer = _answer(*segments, script="no", choice=True)
    assert answer.prompt_tokens == len(encode_all(BytesTokenizer(), segments))


def test_a_label_is_one_token_and_a_text_has_its_bytes() -> None:
    label = _answer("?", script="no", choice=True)
    assert label.output_tokens == 1
    assert label.label_logprobs is not None
    assert label.label_logprobs[1] > label.label_logprobs[0]
    text = _answer("?", script="né", choice=False)
    assert (text.output_tokens, text.label_logprobs) == (3, None)
