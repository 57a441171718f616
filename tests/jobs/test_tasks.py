"""The task contract, for every task there is: found by looking, so a new task is tested by being there."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.config import JobConfig
from jobs.tasks import all_tasks, find_task
from jobs.tasks.sentiment import LABELS, Sentiment, SentimentOptions
from pipeline.contract import CHECKS, example_answers, with_example_options
from pipeline.decoding import Choice
from pipeline.elements import Case, Completion, RowRef
from pipeline.errors import UsageError
from pipeline.outcomes import settle_with_results
from schemas.records import TextRecord

TASKS = {f"{name}, {about}": task for name, t in all_tasks().items() for about, task in with_example_options(t)}


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
@pytest.mark.parametrize("says", CHECKS)
def test_every_task_keeps_the_contract(task, says: str) -> None:
    CHECKS[says](task)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_an_outcome_has_what_its_result_says_of_itself(task) -> None:
    for example in task.examples():
        case = Case(RowRef(0, 0), example.record, example_answers(task, example))
        for outcome, result in settle_with_results(task, case, frozenset()):
            assert result is not None
            assert outcome.values == result.model_dump()
            assert list(outcome.values) == list(result.model_dump())


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        find_task("sentimnet")
    assert "sentiment" in caught.value.hint


_logprobs = st.lists(st.floats(-80, 0), min_size=4, max_size=4).map(tuple)


@given(logprobs=_logprobs)
def test_sentiment_is_what_its_definition_says(logprobs: tuple[float, ...]) -> None:
    task = Sentiment(SentimentOptions(), "chat")
    result = task.read(TextRecord(text="x"), Completion("positive", logprobs, 1, 0, 1, "stop", "run"))
    p = [getattr(result, f"p_{label}") for label in LABELS]
    assert sum(p) == pytest.approx(1)
    assert p[LABELS.index(result.label)] == max(p)
    assert result.score == pytest.approx(result.p_positive - result.p_negative)
    total = sum(map(math.exp, logprobs))
    assert p == pytest.approx([math.exp(v) / total for v in logprobs])


@pytest.mark.parametrize(("logprobs", "expected"), [((0.0,) * 4, 1.0), ((0.0, -80.0, -80.0, -80.0), 0.0)])
def test_uncertainty_goes_from_certain_to_anyones_guess(logprobs, expected: float) -> None:
    result = Sentiment(SentimentOptions(), "chat").read(
        TextRecord(text="x"), Completion("positive", logprobs, 1, 0, 1, "stop", "run")
    )
    assert result.uncertainty == pytest.approx(expected, abs=1e-9)


def test_labels_that_are_not_asked_for_are_neither_offered_nor_shown() -> None:
    task = Sentiment(SentimentOptions(labels=("negative", "positive")), "chat")
    assert task.decoding(TextRecord(text="x")) == Choice(("positive", "negative"), ("positive", "negative"))
    prompt = str(task.prompt(TextRecord(text="x")))
    assert "neutral" not in prompt
    assert "mixed" not in prompt
    result = task.read(TextRecord(text="x"), Completion("positive", (-0.1, -3.0), 1, 0, 1, "stop", "run"))
    assert (result.p_neutral, result.p_mixed) == (0, 0)


@pytest.mark.parametrize("task", all_tasks().values(), ids=list(all_tasks()))
def test_no_option_of_a_task_is_called_like_a_setting_of_the_run(task) -> None:
    assert not set(task.options_model.model_fields) & set(JobConfig.model_fields)
