"""Briefs come in many shapes."""

import pytest

from jobs.briefs import Brief


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"brief": '{"topic": "Lamp", "facts": ["a"], "colour": "red"}'}, ("Lamp", ["a", "colour: red"])),
        ({"brief": {"topic": "Lamp", "facts": "a\nb; c"}, "topic": "Mine"}, ("Mine", ["a", "b", "c"])),
        ({"topic": " Lamp ", "facts": [" a ", "", None], "min_words": 5.0, "max_words": float("nan")}, ("Lamp", ["a"])),
    ],
)
def test_briefs_come_in_many_shapes(values: dict, expected: tuple) -> None:
    brief = Brief.model_validate(values)
    assert (brief.topic, brief.facts) == expected
