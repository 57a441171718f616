"""What is written to several prompts at once is what is written to each alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs.adapting.ending import stop_tokens
from jobs.adapting.packing import Lesson
from pipeline.tokens import load_tokenizer
from schemas.adapter import TrainingSettings

pytestmark = pytest.mark.filterwarnings("default")


def test_prompts_of_different_length_do_not_see_what_fills_them_up(tiny_chat: Path) -> None:
    from jobs.adapting.learner import Learner
    from jobs.adapting.written import write

    rng = np.random.default_rng(0)
    prompts = [tuple(map(int, rng.integers(3, 400, length))) for length in (2, 40, 7, 90, 21)]
    lessons = [Lesson(prompt, answer=(5,) * 4) for prompt in prompts]
    learner = Learner(tiny_chat, TrainingSettings(rank=2), 1)
    done: list[int] = []
    limits = [24, 8, 24, 24, 24]
    together = write(learner, lessons, limits, {0}, True, done.append)
    each = zip(lessons, limits, strict=True)
    assert together == [write(learner, [one], [limit], {0}, True, lambda by: None)[0] for one, limit in each]
    assert sum(done) == len(lessons)
    assert all(0 not in tokens and len(tokens) <= limit for tokens, limit in zip(together, limits, strict=True))
    assert len(set(together)) == len(lessons)
    ends = together[0][3:5]
    first = min(together[0].index(end) for end in ends)
    assert write(learner, lessons[:1], [24], {0, *ends}, True, done.append) == [together[0][:first]]


def test_what_the_models_folder_says_of_drawing_words_does_not_count(tiny_chat: Path, tmp_path: Path) -> None:
    from jobs.adapting.learner import Learner
    from jobs.adapting.written import write

    folder = tmp_path / "penal"
    shutil.copytree(tiny_chat, folder)
    rules = {"repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "eos_token_id": [1, 0]}
    (folder / "generation_config.json").write_text(json.dumps(rules))
    lessons = [Lesson((5, 6, 7), answer=(5,)), Lesson((90, 14, 21, 9), answer=(5,))]
    plain, other = (Learner(path, TrainingSettings(rank=2), 1) for path in (tiny_chat, folder))
    written = [write(learner, lessons, [40, 40], {0}, True, lambda by: None) for learner in (plain, other)]
    assert written[0] == written[1]
    assert len(set(written[0][0])) < len(written[0][0])


def test_an_answer_ends_at_every_token_that_an_engine_stops_at(tiny_chat: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_chat, folder)
    (folder / "generation_config.json").write_text('{"eos_token_id": 1}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": {"content": "<start>"}}')
    assert stop_tokens(tiny_chat, load_tokenizer(tiny_chat)) == {0, 1}
    assert stop_tokens(folder, load_tokenizer(folder)) == {1, 2}
