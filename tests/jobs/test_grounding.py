"""Grounding: what the model says is held against the text."""

import json

import pytest

from jobs.grounding import check_grounded
from pipeline.json_models import explicit_schema, model_from_schema

_FACTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "number": {"type": "number"},
        "day": {"type": "string", "format": "date"},
        "kind": {"enum": ["order", "offer"]},
        "flag": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "free": {"type": "object"},
    },
}


def _grounded(text: str, **found: object) -> bool:
    schema = explicit_schema(_FACTS)
    answer = dict.fromkeys(schema["properties"]) | found
    check = check_grounded(text, model_from_schema(schema, "Facts").model_validate_json(json.dumps(answer)))
    assert check.passed == (check.detail is None)
    return check.passed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("The  Blue\nCup", {"name": "blue cup"}),
        ("for €89.50 each", {"number": 89.5}),
        ("paid 1.250,00 EUR", {"number": 1250}),
        ("CHF 649.–", {"number": 649}),
        ("I bought one", {"number": 1}),
        ("order PO7731", {"number": 7731}),
        ("minus 5 degrees, -5", {"number": -5}),
        ("on 14 March 2025", {"day": "2025-03-14"}),
        ("12.01.2025", {"day": "2025-01-12"}),
        ("03/05", {"day": "2025-05-03"}),
        ("anything", {"kind": "order", "flag": True}),
        ("3 and 4", {"list": [{"n": 3}, {"n": 4}, {"n": None}]}),
        ("blue, 7", {"free": {"a": ["Blue", 7]}}),
    ],
)
def test_what_the_text_says_is_grounded(text: str, found: dict) -> None:
    assert _grounded(text, **found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a red cup", {"name": "blue cup"}),
        ("for €89.50 each", {"number": 89}),
        ("14 pieces", {"number": 4}),
        ("on 14 March", {"day": "2025-03-14"}),
        ("in March 2025", {"day": "2025-03-14"}),
        ("3", {"list": [{"n": 3}, {"n": 4}]}),
        ("red", {"free": {"a": ["blue"]}}),
    ],
)
def test_what_it_does_not_say_is_not(text: str, found: dict) -> None:
    assert not _grounded(text, **found)
