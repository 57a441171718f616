"""Losses by row, and the perplexity of words."""

import numpy as np
import pytest

from jobs.adapting.figures import loss_figures
from jobs.adapting.learner import Judged
from jobs.adapting.packing import Lesson
from jobs.evaluation.bootstrap import Resampling


def test_each_token_of_words_counts_alike() -> None:
    lessons = [
        Lesson((1,), answer=(2, 3, 4), weight=3, row=0),
        Lesson((1,), answer=(2,), weight=1, row=0),
        Lesson((1,), answer=(2, 3), weight=2, row=1),
    ]
    judged = Judged(0, np.array([3 * 0.5, 2.0, 2 * 0.25]), None, 0)
    found = loss_figures(lessons, judged, Resampling(200))
    assert found["loss"].value == pytest.approx(4 / 6)
    assert found["perplexity"].value == pytest.approx(np.exp(4 / 6))
    assert (found["loss"].rows, found["loss"].higher_is_better) == (2, False)
    assert found["loss"].low == pytest.approx(0.25)  # one of the two rows, drawn twice
    assert found["loss"].high == pytest.approx(3.5 / 4)


def test_a_choice_has_no_perplexity() -> None:
    lessons = [Lesson((1,), labels=(5, 6), target=(1.0, 0.0), row=row) for row in range(3)]
    found = loss_figures(lessons, Judged(0, np.array([1.0, 2.0, 3.0]), None, 0), Resampling(10))
    assert {name: figure.value for name, figure in found.items()} == {"loss": 2}
