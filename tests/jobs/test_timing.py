"""The time that a run took."""

from collections import Counter

import pytest

from jobs.running import Stopwatch
from jobs.timing import seconds_of
from pipeline import metrics
from pipeline.cluster.reports import Report

ASKING, IDLE = Report({metrics.SENT: 5}), Report()


@pytest.mark.parametrize(
    ("reports", "workers", "seconds"),
    [
        ([], None, 12.0),
        ([ASKING, ASKING, IDLE], 3, 6.0),
        ([ASKING] * 6, 3, 4.0),
        ([IDLE], 1, 12.0),
    ],
    ids=["this process", "one idle", "lost and started again", "none asked"],
)
def test_engines_that_work_at_once_take_the_time_of_one(
    reports: list[Report], workers: int | None, seconds: float
) -> None:
    tally = Counter({metrics.ENGINE_US: 12_000_000, metrics.ENGINE_START_US: 1_200_000})
    found = seconds_of(Stopwatch(), tally, reports, workers)
    assert (found["engine"], found["engine_start"]) == (seconds, seconds / 10)
