"""How a run's pace is sampled: bounded, in order, and up to its end."""

from collections.abc import Iterator

import pytest

from pipeline import metrics
from pipeline.pace import MAX_SAMPLES, PaceMeter


@pytest.fixture(autouse=True)
def board() -> Iterator[None]:
    metrics.reset_board()
    yield
    metrics.reset_board()


@pytest.mark.parametrize("times", [1, MAX_SAMPLES, MAX_SAMPLES + 1, 5000])
def test_samples_are_bounded_ordered_and_reach_the_end(times: int) -> None:
    now = iter(range(10**6))
    meter = PaceMeter(lambda: float(next(now)))
    with meter.sampling():
        for _ in range(times - 1):
            metrics.count_rows_done(1)
            meter.sample()
    pace = meter.pace()
    assert 0 < len(pace.rows) <= MAX_SAMPLES
    assert pace.seconds == sorted(pace.seconds)
    assert pace.rows == sorted(pace.rows)
    assert (pace.seconds[-1], pace.rows[-1]) == (times, times - 1)


def test_a_run_says_how_it_went(run, write_parquet) -> None:
    manifest = run(write_parquet({"text": ["a", "b", "c"]}))
    assert manifest.pace.rows[-1] == 3
    assert manifest.pace.tokens[-1] == manifest.tokens.prompt + manifest.tokens.output
