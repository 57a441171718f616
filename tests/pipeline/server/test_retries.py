"""Whose fault it was, how long to wait, and for how long to wait for an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.server.retries import Backoff, Blame, Kind, Latencies, retry_after, trouble_of_status

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:50 GMT"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.REFUSED),
        (401, Kind.UNFIT),
        (403, Kind.UNFIT),
        (404, Kind.UNFIT),
        (408, Kind.FAULTY),
        (422, Kind.REFUSED),
        (429, Kind.BUSY),
        (500, Kind.FAULTY),
        (501, Kind.REFUSED),
        (502, Kind.FAULTY),
        (503, Kind.BUSY),
        (302, Kind.FAULTY),
    ],
)
def test_a_status_tells_whose_fault_it_was(status: int, kind: Kind) -> None:
    assert trouble_of_status(status, "", {}, NOW).kind is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": DATE}, 30.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_a_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds
    assert trouble_of_status(429, "", headers, NOW).retry_after == seconds


@given(tries=st.integers(1, 10_000), draw=st.floats(0, 1))
def test_a_wait_doubles_up_to_the_longest_and_varies_by_half(tries: int, draw: float) -> None:
    whole = min(20.0, 0.25 * 2 ** min(tries - 1, 100))
    assert whole / 2 <= Backoff(draw=lambda: draw).seconds(tries) <= whole


def test_a_request_is_to_blame_only_where_others_succeed() -> None:
    blame = Blame()
    for _ in range(500):
        blame.note(fault=True)
    assert not blame.is_guilty(100)
    for _ in range(512):
        blame.note(fault=False)
    assert blame.is_guilty(5)
    assert not blame.is_guilty(4)


def test_at_a_high_rate_of_faults_it_takes_more_of_them() -> None:
    blame = Blame()
    for i in range(512):
        blame.note(fault=i % 2 == 0)
    assert not blame.is_guilty(15)
    assert blame.is_guilty(25)


def test_an_answer_is_waited_for_by_what_answers_took_lately() -> None:
    latencies = Latencies(3600.0)
    assert (latencies.longest_wait("a", 0), latencies.usual("a")) == (3600.0, None)
    for seconds in (10.0, *[8.0] * 7):
        latencies.note("a", seconds)
    assert latencies.usual("a") == 8.0
    assert latencies.longest_wait("a", 0) == 100.0
    assert latencies.longest_wait("a", 1) == 200.0
    assert latencies.longest_wait("a", 50) == 3600.0
    latencies.note("quick", 0.1)
    assert latencies.longest_wait("quick", 0) == 60.0
