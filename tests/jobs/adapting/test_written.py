"""What is written to several prompts at once is what is written to each alone."""

from pathlib import Path

import numpy as np
import pytest

from jobs.adapting.packing import Lesson
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
    together = write(learner, lessons, 0, True, done.append)
    assert together == [write(learner, [one], 0, True, lambda by: None)[0] for one in lessons]
    assert sum(done) == len(lessons)
    assert all(0 not in tokens and len(tokens) <= 2 * 4 + 16 for tokens in together)
    assert len(set(together)) == len(lessons)
    end = together[0][3]
    assert write(learner, lessons[:1], end, True, done.append) == [together[0][: together[0].index(end)]]
