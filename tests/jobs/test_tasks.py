"""The task contract, for every task there is: found by looking, so a new task is tested by being there."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.tasks import all_tasks, find_task
from jobs.tasks.sentiment import LABELS, Sentiment, SentimentOptions
from pipeline.decoding import Choice, describe
from pipeline.elements import Completion
from pipeline.errors import RowError, UsageError
from pipeline.prompts import Bare, Chat, PromptRenderer, Text
from pipeline.task import Options
from schemas.arrow import arrow_schema
from schemas.envelope import ID_COLUMN
from schemas.records import Record, TextRecord
from schemas.results import Result

TASKS = list(all_tasks().values())
FORMS = [(task, form) for task in TASKS for form in task.forms]
by_form = pytest.mark.parametrize(("task", "form"), FORMS, ids=[f"{t.name}-{f}" for t, f in FORMS])
by_task = pytest.mark.parametrize("task", TASKS, ids=[t.name for t in TASKS])


def _template(messages):
    return "".join(f"<{m['role']}>{m['content']}" for m in messages)


@by_task
def test_a_task_says_who_it_is(task) -> None:
    assert task.name.isidentifier()
    assert task.version >= 1
    assert task.summary.endswith(".")
    assert task.__doc__
    assert issubclass(task.record, Record)
    assert issubclass(task.result, Result)
    assert issubclass(task.options_model, Options)
    assert all(field.description for field in task.options_model.model_fields.values())


@by_task
def test_results_have_arrow_types_and_no_column_of_the_envelope(task) -> None:
    schema = arrow_schema(task.result)
    assert set(task.columns) <= set(schema.names)
    assert not {ID_COLUMN, "status", "error", "meta", "answer"} & set(schema.names)


@by_form
def test_row_text_is_marked_and_stands_behind_the_constant_part(task, form: str) -> None:
    instance = task(task.options_model(), form)
    prompts = [instance.prompt(example.record) for example in task.examples()]
    assert all(isinstance(prompt, Chat if form == "chat" else Bare) for prompt in prompts)
    rendered = [PromptRenderer(_template).render(prompt) for prompt in prompts]
    heads = {segments[0] for segments in rendered}
    assert len(heads) == 1, "the beginning of the prompt differs from row to row"
    for segments, example in zip(rendered, task.examples(), strict=True):
        texts = "".join(s.value for s in segments if isinstance(s, Text))
        constants = "".join(s for s in segments if isinstance(s, str))
        for value in example.record.model_dump().values():
            if isinstance(value, str):
                assert value in texts
                assert value not in constants


@by_form
def test_the_examples_parse_to_valid_results(task, form: str) -> None:
    instance = task(task.options_model(), form)
    for example in task.examples():
        result = instance.parse(example.record, _completion(example.answer, instance.decoding()))
        row = result.model_dump()
        assert task.result.model_validate(row) == result
        assert pa.Table.from_pylist([row], arrow_schema(task.result)).to_pylist() == [row]


def _completion(answer: str, decoding) -> Completion:
    logprobs = None
    if isinstance(decoding, Choice):
        logprobs = tuple(math.log(0.7 if label == answer else 0.1) for label in decoding.labels)
    return Completion(answer, logprobs, 10, 0, 1, "stop", "run")


@by_form
@given(text=st.text(), logprobs=st.none() | st.lists(st.floats(), max_size=6).map(tuple))
def test_parse_raises_nothing_but_row_errors(task, form: str, text: str, logprobs) -> None:
    instance = task(task.options_model(), form)
    try:
        result = instance.parse(task.examples()[0].record, Completion(text, logprobs, 1, 0, 1, "stop", "run"))
    except RowError:
        return
    assert isinstance(result, task.result)


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        find_task("sentimnet")
    assert "sentiment" in caught.value.hint


_logprobs = st.lists(st.floats(-80, 0), min_size=4, max_size=4).map(tuple)


@given(logprobs=_logprobs)
def test_sentiment_is_what_its_definition_says(logprobs: tuple[float, ...]) -> None:
    task = Sentiment(SentimentOptions(), "chat")
    result = task.parse(TextRecord(text="x"), Completion("positive", logprobs, 1, 0, 1, "stop", "run"))
    p = [getattr(result, f"p_{label}") for label in LABELS]
    assert sum(p) == pytest.approx(1)
    assert p[LABELS.index(result.label)] == max(p)
    assert result.score == pytest.approx(result.p_positive - result.p_negative)
    total = sum(map(math.exp, logprobs))
    assert p == pytest.approx([math.exp(v) / total for v in logprobs])


@pytest.mark.parametrize(("logprobs", "expected"), [((0.0,) * 4, 1.0), ((0.0, -80.0, -80.0, -80.0), 0.0)])
def test_uncertainty_goes_from_certain_to_anyones_guess(logprobs, expected: float) -> None:
    result = Sentiment(SentimentOptions(), "chat").parse(
        TextRecord(text="x"), Completion("positive", logprobs, 1, 0, 1, "stop", "run")
    )
    assert result.uncertainty == pytest.approx(expected, abs=1e-9)


def test_labels_that_are_not_asked_for_are_neither_offered_nor_shown() -> None:
    task = Sentiment(SentimentOptions(labels=("negative", "positive")), "chat")
    assert describe(task.decoding()) == {
        "kind": "choice",
        "labels": ("positive", "negative"),
        "surfaces": ("positive", "negative"),
    }
    prompt = str(task.prompt(TextRecord(text="x")))
    assert "neutral" not in prompt
    assert "mixed" not in prompt
    result = task.parse(TextRecord(text="x"), Completion("positive", (-0.1, -3.0), 1, 0, 1, "stop", "run"))
    assert (result.p_neutral, result.p_mixed) == (0, 0)
