"""The window against made-up servers and a made-up clock."""

from collections.abc import Callable

import pytest

from pipeline.engines.server.window import Window


def _serve(window: Window, num_answers: int, answers_per_second: Callable[[int], float], now: float = 0.0) -> float:
    """Keep a server full that does so many answers a second at a limit; returns the time at the end."""
    for _ in range(num_answers):
        window.filled()
        now += 1 / answers_per_second(window.limit)
        window.answered(100, now)
    return now


@pytest.mark.parametrize("knee", [20, 64, 200])
def test_it_grows_to_where_more_brings_no_more(knee: int) -> None:
    window = Window()
    _serve(window, 20_000, lambda limit: float(min(limit, knee)))
    assert knee * 0.8 <= window.limit <= knee * 4


def test_it_is_never_wider_than_allowed() -> None:
    window = Window(16, 100)
    _serve(window, 20_000, float)
    assert window.limit == 100


def test_a_window_that_is_not_filled_stays_as_it_is() -> None:
    window = Window()
    for i in range(1000):
        window.answered(100, i * 0.1)
    assert window.limit == 16


def test_what_was_sent_before_shrinks_it_once() -> None:
    window = Window(100)
    for _ in range(50):
        window.overloaded(sent_at=1.0, now=2.0)
    assert window.limit == 70
    window.overloaded(sent_at=3.0, now=4.0)
    assert window.limit == 49
    for i in range(50):
        window.overloaded(10.0 + i, 10.5 + i)
    assert window.limit == 1


def test_a_shrunk_window_recovers_and_a_new_server_starts_afresh() -> None:
    window = Window(64)
    window.overloaded(0.0, 1.0)
    _serve(window, 40_000, lambda limit: float(min(limit, 60)), now=1.0)
    assert window.limit > 50
    window.restart()
    assert window.limit == 64
