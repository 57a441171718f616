"""What gold says: ratings that are none, answers that are structs, prompts that an adapter does not know."""

import json
import math
from pathlib import Path

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
from pipeline.task import AnyTask
from pipeline.tokens import BytesTokenizer
from schemas.adapter import AdapterCard

OWN = """
from pipeline.answers import json_decoding, read_json
from pipeline.prompts import Chat, Message, Text
from pipeline.task import Example, SimpleTask
from schemas.records import TextRecord
from schemas.results import Result


class Named(Result):
    name: str


class Own(SimpleTask):
    name, version, summary, record, result, columns = "own", 1, "Own.", TextRecord, Named, ("name",)

    def prompt(self, record):
        return Chat((Message("user", (Text(record.text),)),))

    def decoding(self, record):
        return json_decoding(Named, 50)

    def read(self, record, completion):
        return read_json(completion, Named)

    @classmethod
    def examples(cls):
        return [Example(TextRecord(text="I am Zoë"), {"answer": '{"name": "Zoë"}'})]
"""
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
    found, left = read_rows(teacher, rows, columns, {"text": "text"})
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


@pytest.mark.parametrize(
    "row", [{"gold_rating": 5.0}, {"gold_rating": "0"}, {"gold_ratings": [1, 4]}, {"gold_rating": None, "ratings": [3]}]
)
def test_ratings_whose_middle_is_unknown_are_refused(row: dict[str, object]) -> None:
    names = {"rating": "gold_rating", "ratings": next((name for name in row if name.endswith("ratings")), None)}
    given = {role: name for role, name in names.items() if name in row}
    with pytest.raises(UsageError, match="where is neutral"):
        find_columns(dict.fromkeys(row), given, [row])
    assert find_columns(dict.fromkeys([*row, "gold_label"]), given, [row]).label == "gold_label"


def test_single_ratings_say_where_the_scale_ends() -> None:
    rows = [{"gold_ratings": [-3, 1]}, {"gold_ratings": None}]
    assert find_columns(dict.fromkeys(rows[0]), {"ratings": "gold_ratings"}, rows).end == 3


def test_labels_that_the_task_does_not_have_leave_their_row_out_where_several_apply_too() -> None:
    labels = ["late; broken", ["late"], [], "late; lost", ["lost"], 3, 4, "", None]
    rows = [{"text": str(i), "gold_label": label} for i, label in enumerate(labels)]
    task = make_task(
        find_task("classify"), {"label": ["late", "broken", "3"], "multi": True}, None, Model("m", None, "m")
    )
    teacher = Teacher(task, RULES, tokenizer=None, end=0)
    found, left = read_rows(teacher, rows, find_columns(dict.fromkeys(rows[0]), {}, rows), {"text": "text"})
    applies = [{name for name, shares in gold.targets.items() if shares == {"yes": 1.0}} for gold in found]
    assert applies == [{"late", "broken"}, {"late"}, set(), {"3"}]
    assert left == {"a label that the task does not have": 3, "no answer": 2}


def test_a_struct_is_learnt_as_json() -> None:
    columns = GoldColumns(None, None, None, "gold_answer")
    question = Question("answer", Chat(()), Json("{}", 100))
    answer = {"name": "Zoë", "count": None, "tags": ["a"]}
    assert json.loads(columns.target(question, {"gold_answer": answer})) == answer
    assert columns.target(question, {"gold_answer": "in words"}) == "in words"


@pytest.mark.parametrize("answer", ["in words", '{"name": 3}', None])
def test_json_that_a_job_would_refuse_is_not_taught(answer: str | None, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    task = make_task(find_task(f"{tmp_path / 'own.py'}:Own"), {}, None, Model("m", None, "m"))
    rows = [{"text": "One", "gold_answer": {"name": "Zoë"}}, {"text": "Two", "gold_answer": answer}]
    teacher = Teacher(task, RULES, tokenizer=BytesTokenizer(), end=0)  # type: ignore[arg-type]
    found, left = read_rows(teacher, rows, GoldColumns(None, None, None, "gold_answer"), {"text": "text"})
    assert [dict(gold.targets) for gold in found] == [{"answer": '{"name": "Zoë"}'}]
    assert left == {"an answer that a job would refuse" if answer else "no answer": 1}


def test_how_words_are_drawn_is_no_other_prompt() -> None:
    def generate(**options: object) -> AnyTask:
        return make_task(find_task("generate"), options, None, Model("m", None, "m"))

    rules = PromptRules(None, "", 8192, 0, truncate=True)
    digests = prompt_digests(generate(), Prompter(rules))
    card = AdapterCard.model_construct(task_version=generate().version, prompts=digests)
    refuse_other_prompts(card, generate(variants=2, temperature=0.9), Prompter(rules))
    with pytest.raises(UsageError, match="other prompts"):
        refuse_other_prompts(card, generate(language="de"), Prompter(rules))


def test_an_adapter_is_refused_where_none_of_its_questions_is_asked() -> None:
    classify, model = find_task("classify"), Model("m", None, "m")
    one = make_task(classify, {"label": ["a", "b"]}, None, model)
    multi = make_task(classify, {"label": ["a", "b"], "multi": True}, None, model)
    card = AdapterCard.model_construct(task_version=one.version, prompts=prompt_digests(one, Prompter(RULES)))
    refuse_other_prompts(card, one, Prompter(RULES))
    with pytest.raises(UsageError, match="other prompts"):
        refuse_other_prompts(card, multi, Prompter(RULES))


def test_an_adapter_is_refused_where_one_of_the_results_was_not_learnt() -> None:
    def translate(*to: str) -> AnyTask:
        return make_task(find_task("translate"), {"to": to}, None, Model("m", None, "m"))

    both = translate("es", "de")
    card = AdapterCard.model_construct(task_version=both.version, prompts=prompt_digests(both, Prompter(RULES)))
    refuse_other_prompts(card, translate("de"), Prompter(RULES))
    with pytest.raises(UsageError, match="the adapter mine was not trained on target_language fr"):
        refuse_other_prompts(card, translate("es", "fr"), Prompter(RULES), "mine")
