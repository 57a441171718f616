"""What gold says: ratings that are none, answers that are structs, prompts that an adapter does not know."""

import json
import math

import pytest

from jobs.adapting.lessons import Teacher, read_rows
from jobs.adapting.targets import GoldColumns, find_columns
from jobs.inquiry import make_task
from jobs.tasks import find_task
from pipeline.adapters import prompt_digests, refuse_other_prompts
from pipeline.decoding import Json
from pipeline.elements import Question
from pipeline.errors import UsageError
from pipeline.models import Model
from pipeline.prompts import Chat
from pipeline.requests import Prompter, PromptRules
from schemas.adapter import AdapterCard

RULES = PromptRules(None, "", 2048, 0, truncate=True)
NAMES = dict.fromkeys(("text", "gold_label", "gold_rating"))


@pytest.mark.parametrize("rating", ["good", "nan"])
def test_a_rating_that_is_no_number_leaves_its_row_out(rating: str) -> None:
    rows = [{"text": "One", "gold_rating": rating}, {"text": "Two", "gold_rating": "-1.5"}]
    columns = find_columns(dict.fromkeys(rows[0]), {}, rows)
    task = make_task(
        find_task("sentiment"), {"labels": ["positive", "neutral", "negative"]}, None, Model("m", None, "m")
    )
    teacher = Teacher(task, RULES, tokenizer=None, end=0)
    found, left = read_rows(task, teacher, rows, columns, {"text": "text"})
    assert [(gold.key, gold.label, gold.rating) for gold in found] == [("Two", "negative", -1.5)]
    assert left == {"a rating that is no number": 1}
    assert columns.end == 2


def test_where_there_is_a_label_the_rating_may_be_anything() -> None:
    row = {"text": "One", "gold_label": "positive", "gold_rating": "good"}
    columns = find_columns(NAMES, {}, [row])
    task = make_task(find_task("sentiment"), {}, None, Model("m", None, "m"))
    (question,) = task.questions(task.examples()[0].record)
    assert columns.target(question, row) == {"positive": 1.0}
    assert math.isnan(columns.mean_rating(row))


def test_a_struct_is_learnt_as_json() -> None:
    columns = GoldColumns(None, None, None, "gold_answer")
    question = Question("answer", Chat(()), Json("{}", 100))
    answer = {"name": "Zoë", "count": None, "tags": ["a"]}
    assert json.loads(columns.target(question, {"gold_answer": answer})) == answer
    assert columns.target(question, {"gold_answer": "in words"}) == "in words"


def test_an_adapter_is_refused_where_none_of_its_questions_is_asked() -> None:
    classify, model = find_task("classify"), Model("m", None, "m")
    one = make_task(classify, {"label": ["a", "b"]}, None, model)
    multi = make_task(classify, {"label": ["a", "b"], "multi": True}, None, model)
    card = AdapterCard.model_construct(task_version=one.version, prompts=prompt_digests(one, Prompter(RULES)))
    refuse_other_prompts(card, one, Prompter(RULES))
    with pytest.raises(UsageError, match="other prompts"):
        refuse_other_prompts(card, multi, Prompter(RULES))
