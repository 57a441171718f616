"""Errors cross process borders, so each of them must survive pickling with all it says."""

import pickle

import pytest

from pipeline.errors import AdapterChanged, Interrupted, RowError, RunError, TextmillError, UsageError
from schemas.envelope import ErrorClass


@pytest.mark.parametrize(
    "error",
    [
        RowError(ErrorClass.INVALID_ANSWER, "not JSON", answer="{"),
        RunError("no engine", "install one"),
        UsageError("no such column"),
        AdapterChanged("changed", "run it again"),
        Interrupted("interrupted", "run it again"),
    ],
)
def test_errors_survive_pickling(error: TextmillError) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)


def test_exit_codes_are_the_documented_ones() -> None:
    assert (RunError.exit_code, UsageError.exit_code, Interrupted.exit_code) == (1, 2, 130)
