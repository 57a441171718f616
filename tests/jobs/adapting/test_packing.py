"""Examples in one sequence are learnt from as if each were alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.adapting.packing import Lesson, pack, packs_of

_TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=8).map(tuple)
_LESSONS = st.lists(st.builds(Lesson, prompt=_TOKENS, answer=st.lists(st.integers(0, 3), max_size=4).map(tuple)))


@given(_LESSONS.filter(bool))
def test_each_lesson_sees_its_own_tokens_at_their_places(lessons: list[Lesson]) -> None:
    packed = pack(lessons)
    visible, end = packed.visible(), 0
    for lesson in lessons:
        places = packed.answers[end : end + lesson.num_answers]
        end += lesson.num_answers
        for back, place in enumerate(reversed(places)):
            seen = np.flatnonzero(visible[place])
            read = lesson.read[: len(lesson.read) - back]
            assert tuple(packed.tokens[seen]) == read
            assert list(packed.positions[seen]) == list(range(len(read)))


@given(_LESSONS, st.integers(1, 30))
def test_no_lesson_is_lost_and_sequences_are_bounded(lessons: list[Lesson], most: int) -> None:
    found = list(packs_of(lessons, most))
    assert [lesson for packed in found for lesson in packed.lessons] == lessons
    assert all(sum(packed.owner >= 0) <= most or len(packed.lessons) == 1 for packed in found)


def test_a_long_beginning_is_shared_whatever_its_length() -> None:
    lessons = [Lesson((*range(100), 100 + i), answer=(1, 2)) for i in range(4)]
    assert [len(packed.lessons) for packed in packs_of(lessons, 4)] == [2, 2]


@pytest.mark.slow  # torch and transformers take seconds to come in
@pytest.mark.filterwarnings("default")
def test_losses_together_are_those_alone(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("peft")
    from jobs.adapting.learner import Learner
    from schemas.adapter import TrainingSettings

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(vocab_size=50, num_key_value_heads=2, **sizes)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path)
    learner = Learner(tmp_path, TrainingSettings(rank=2, learning_rate=0.01), 8)
    lessons = [
        Lesson((1, 2, 3, 4), labels=(5, 6), target=(0.75, 0.25)),
        Lesson((1, 2, 7), labels=(5, 6), target=(0.0, 1.0)),
        Lesson((1, 2, 9, 9, 8), answer=(3, 4, 2)),
    ]
    first = learner.judge(lessons, lambda by: None)
    alone = [learner.judge([lesson], lambda by: None).loss for lesson in lessons]
    assert first.losses == pytest.approx(alone, rel=1e-4)
    for _ in range(8):
        learner.step(lessons)
    assert learner.judge(lessons, lambda by: None).loss < first.loss
    assert learner.judge(lessons, lambda by: None, adapted=False).loss == pytest.approx(first.loss)
