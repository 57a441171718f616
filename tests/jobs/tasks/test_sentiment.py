"""The sentiment task: the examples that a user gives in place of its own."""

import pytest
from pydantic import ValidationError

from jobs.tasks.sentiment import Sentiment, SentimentOptions
from schemas.records import TextRecord

OWN = {"examples": [{"text": "It fell apart.", "label": "negative"}, {"text": " So so. ", "label": "neutral"}]}


def shown(form: str, **options: object) -> str:
    """All constant words of the prompt."""
    prompt = Sentiment(SentimentOptions.model_validate(options), form).prompt(TextRecord(text="the row"))
    return str(prompt)


@pytest.mark.parametrize("form", ["chat", "bare"])
def test_own_examples_take_the_place_of_all_others(form: str) -> None:
    prompt = shown(form, **OWN)
    assert "It fell apart." in prompt
    assert "So so." in prompt
    assert "Love it!" not in prompt
    assert shown(form, examples=[]).count("positive") < shown(form).count("positive")


def test_flag_and_table_say_the_same() -> None:
    flags = {"examples": ["negative=It fell apart.", "neutral = So so. "]}
    assert SentimentOptions.model_validate(flags) == SentimentOptions.model_validate(OWN)
    assert SentimentOptions.model_validate({"examples": ["mixed=a=b"]}).examples[0].text == "a=b"  # type: ignore[index]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"examples": ["It fell apart."]}, "is not LABEL=TEXT"),
        ({"examples": [{"text": " ", "label": "negative"}]}, "at least 1 character"),
        ({"examples": ["awful=It fell apart."]}, "'positive', 'neutral'"),
        ({**OWN, "labels": ["positive", "negative"]}, "an example is neutral, which is not among the labels"),
    ],
)
def test_an_example_that_does_not_fit_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SentimentOptions.model_validate(options)


def test_other_examples_are_another_recipe_and_other_requests(run, write_parquet, tmp_path) -> None:
    file = write_parquet({"text": ["good", "bad"]})
    first = run(file)
    second = run(file, options=OWN)
    assert first.recipe_digest != second.recipe_digest
    assert (second.counts.reused, second.counts.sent) == (0, 2)
    assert "It fell apart." in str(second.recipe)
    assert run(file, options=OWN).counts.sent == 0
