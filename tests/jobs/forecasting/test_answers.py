"""How long answers are going to be: the line through those of earlier runs."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.forecasting.answers import fit_line, learn_lengths
from pipeline.completions import CompletionFolder
from pipeline.elements import Completion

NUMBERS = st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 500)), min_size=3, max_size=50)


@given(NUMBERS)
def test_the_line_is_that_of_least_squares(pairs) -> None:
    prompts, answers = np.array(pairs, float).T
    assume(np.ptp(prompts) > 0)
    slope, intercept = np.polyfit(prompts, answers, 1)
    line = fit_line(prompts, answers)
    assert line.slope == pytest.approx(slope, abs=1e-6)
    assert line.intercept == pytest.approx(intercept, abs=1e-3)


def test_the_interval_holds_nineteen_of_twenty_sums() -> None:
    draw = np.random.default_rng(0)

    def pairs(num: int):
        prompts = draw.integers(50, 200, num).astype(float)
        return prompts, np.maximum(1, 0.5 * prompts + draw.normal(0, 15, num))

    within = 0
    for _ in range(400):
        line = fit_line(*pairs(100))
        prompts, answers = pairs(300)
        expected = line.expect(prompts.tolist(), 300)
        within += expected.low <= answers.sum() <= expected.high
    assert 0.92 <= within / 400 <= 0.98


def completion(prompt_tokens: int, output_tokens: int, run_id: str, is_choice: bool = False) -> Completion:
    logprobs = (0.0,) if is_choice else None
    return Completion("text", logprobs, prompt_tokens, 0, output_tokens, "stop", run_id)


def test_only_written_answers_of_these_runs_count(tmp_path) -> None:
    (tmp_path / "scope").mkdir()
    folder = CompletionFolder(str(tmp_path / "scope"))
    ours = [completion(n, 2 * n, "mine") for n in range(10, 40)]
    others = [completion(n, 900, "other") for n in range(40)]
    chosen = [completion(n, 1, "mine", is_choice=True) for n in range(40)]
    for part in (ours[:15] + others, ours[15:] + chosen):
        folder.write_part([bytes(16)] * len(part), part)
    (tmp_path / "scope" / "part-9-damaged.parquet").write_bytes(b"PAR1")
    line = learn_lengths(folder, ["mine", "gone"])
    assert line is not None
    assert (line.num, line.slope, line.intercept) == (30, pytest.approx(2), pytest.approx(0))
    assert line.expect([50], 10).value == pytest.approx(1000)
    assert learn_lengths(folder, ["gone"]) is None
