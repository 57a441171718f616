"""Gold of the tasks that answer in words: which answers it comes to, and which rows are left out for what."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.adapting.ending import end_token
from jobs.adapting.fields import GoldFields, find_gold
from jobs.adapting.gold_rows import read_gold_rows
from jobs.adapting.lessons import Teacher, read_rows
from jobs.adapting.written import MOST_ROWS, draw_samples
from jobs.inquiry import make_task
from jobs.tasks import find_task
from pipeline.errors import UsageError
from pipeline.models import Model
from pipeline.requests import Prompter, PromptRules
from pipeline.tokens import BytesTokenizer, encode_all, load_tokenizer

RULES = PromptRules(None, "", 20_000, 0, truncate=False)
END = 256
LAMP = {"topic": "Aldery lamp", "facts": ["7 watt"]}
ES = {"to": ["es"]}


def teach(name: str, rows: list[dict[str, Any]], rules: PromptRules = RULES, **options: Any) -> Any:
    """The teacher, the rows it can use, and why it cannot use the others."""
    task = make_task(find_task(name), options, None, Model("m", None, "m"))
    fields = {field: field for field in task.record.model_fields if field in rows[0]}
    gold = find_gold(task, {}, rows, list(fields.values()))
    teacher = Teacher(task, rules, tokenizer=BytesTokenizer(), end=END)  # type: ignore[arg-type]
    return teacher, *read_rows(teacher, rows, gold, fields)


@pytest.mark.parametrize(
    ("name", "row", "options", "answers"),
    [
        ("translate", {"text": "Good day", "reference": " Buenos días "}, ES, ["Buenos días"]),
        ("translate", {"text": "# Hours\n- Open", "reference": "# Horario\n\n-  Abierto"}, ES, ["Horario", "Abierto"]),
        (
            "translate",
            {"text": "Good day", "target_language": "de", "translation": "Guten Tag"},
            {"to": ["es", "de"], "source": "en"},
            ["Guten Tag"],
        ),
        (
            "generate",
            {**LAMP, "gold_body": "Läuft mit 7 Watt.", "gold_title": "Lampe"},
            {},
            ['{"title": "Lampe", "body": "Läuft mit 7 Watt."}'],
        ),
        (
            "generate",
            {"topic": "Fair", "format": "social_post", "gold_body": "It is on.", "gold_hashtags": "#Spring, #Fair"},
            {},
            ['{"body": "It is on.", "hashtags": ["#Spring", "#Fair"]}'],
        ),
        ("reply", {"messages": "Where is it?", "gold_reply": "On its way.\n\nAda"}, {"sign": "Ada"}, ["On its way."]),
        ("reply", {"messages": "Where is it?", "reply": "On its way."}, {}, ["On its way."]),
    ],
)
def test_a_right_result_teaches_its_answers(name: str, row: dict[str, Any], options: Any, answers: list[str]) -> None:
    teacher, found, left = teach(name, [row], **options)
    assert left == {}
    lessons = teacher.lessons(found)
    assert [bytes(lesson.answer[:-1]).decode() for lesson in lessons] == answers
    asked = [q for q in teacher.task.questions(found[0].record) if q.name in found[0].targets]
    requests = [Prompter(RULES).request(question).request for question in asked]
    assert [list(lesson.prompt) for lesson in lessons] == [encode_all(BytesTokenizer(), r.segments) for r in requests]
    for lesson in lessons:
        assert (lesson.answer[-1], lesson.labels, lesson.weight) == (END, (), len(lesson.answer))
        assert lesson.read == lesson.prompt + lesson.answer[:-1]
        assert lesson.num_answers == len(lesson.answer)


def test_what_is_extracted_teaches_all_its_fields() -> None:
    order = {"product": "oak shelves", "quantity": 4, "price": None, "currency": None, "delivery_date": None}
    schema = "jobs/data/order.schema.json"
    rows = [
        {"text": "4 oak shelves please", **{f"gold_{name}": v for name, v in {**order, "urgent": False}.items()}},
        {"text": "Some shelves", **{f"gold_{name}": v for name, v in {**order, "urgent": "very"}.items()}},
    ]
    teacher, found, left = teach("extract", rows, json_schema=schema)
    (lesson,) = teacher.lessons(found)
    assert json.loads(bytes(lesson.answer[:-1])) == {**order, "urgent": False}
    assert left == {"a value that the schema does not allow": 1}


KINDS = {
    "type": "object",
    "properties": {
        "count": {"type": "integer"},
        "price": {"type": ["number", "null"]},
        "day": {"type": ["string", "null"], "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "grade": {"enum": [1, 2, None]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "urgent": {"type": "boolean"},
        "who": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
        "more": {"type": "object"},
        "size": {"type": ["string", "integer"]},
    },
}
DUE = '"2025-03-14T09:30:00Z"'
TOLD = (
    '{"count": 4, "price": 89.5, "day": "2025-03-14", "at": ' + DUE + ', "grade": 2, "tags": ["a", "b"], '
    '"urgent": true, "who": {"name": "Ada", "age": 36}, "more": {"x": [1]}, "size": 7}'
)
AS_FILES_HAVE_IT = {
    "a table's values": {
        "count": 4.0,
        "price": Decimal("89.5"),
        "day": datetime(2025, 3, 14),
        "at": datetime(2025, 3, 14, 10, 30, tzinfo=timezone(timedelta(hours=1))),
        "grade": 2.0,
        "tags": ["a", "b"],
        "urgent": True,
        "who": {"age": 36.0, "name": "Ada"},
        "more": '{"x": [1]}',
        "size": "7",
    },
    "a spreadsheet's text": {
        "count": "4",
        "price": "89.5",
        "day": "2025-03-14",
        "at": "2025-03-14T09:30:00Z",
        "grade": "2",
        "tags": '["a", "b"]',
        "urgent": "TRUE",
        "who": '{"name": "Ada", "age": 36}',
        "more": '{"x": [1]}',
        "size": "7",
    },
}


@pytest.mark.parametrize("values", AS_FILES_HAVE_IT.values(), ids=AS_FILES_HAVE_IT)
def test_values_are_taught_as_the_schema_has_them_and_in_its_order(values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "kinds.json").write_text(json.dumps(KINDS))
    row = {"text": "4 shelves", **{f"gold_{name}": values[name] for name in sorted(values)}}
    teacher, found, left = teach("extract", [row], json_schema=str(tmp_path / "kinds.json"))
    assert left == {}
    assert bytes(teacher.lessons(found)[0].answer[:-1]).decode() == TOLD


def test_what_a_job_refused_is_no_gold_and_answers_in_json_are_read_as_a_job_does(tmp_path: Path) -> None:
    schema = str(tmp_path / "kinds.json")
    Path(schema).write_text(json.dumps(KINDS))
    with pytest.raises(UsageError, match="no answers to learn from"):
        teach("extract", [{"text": "4 shelves", "answer": TOLD}], json_schema=schema)
    said = [
        TOLD,
        AS_FILES_HAVE_IT["a table's values"],
        "4 shelves",
        TOLD.replace("4,", '"four",'),
        '{"count": 1}',
        None,
    ]
    rows = [{"text": "4 shelves", "answer": TOLD, "gold_answer": answer} for answer in said]
    teacher, found, left = teach("extract", rows, json_schema=schema)
    assert [bytes(lesson.answer[:-1]).decode() for lesson in teacher.lessons(found)] == [TOLD, TOLD]
    assert left["an answer that is no JSON object"] == left["a value that the schema does not allow"] == 1
    assert left["no answer"] == 1
    task = make_task(find_task("extract"), {"json_schema": schema}, None, Model("m", None, "m"))
    assert find_gold(task, {"answer": "answer"}, rows, ["text"]) == GoldFields({}, "answer")
    with pytest.raises(UsageError, match="no column 'other'"):
        find_gold(task, {"answer": "other"}, rows, ["text"])


@pytest.mark.parametrize(
    ("column", "value"), [("count", "four"), ("count", 4.5), ("count", 2**70), ("at", "tomorrow"), ("urgent", 1.0)]
)
def test_what_a_job_would_refuse_is_not_taught(column: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "kinds.json").write_text(json.dumps(KINDS))
    values = {**AS_FILES_HAVE_IT["a table's values"], column: value}
    row = {"text": "4 shelves", **{f"gold_{name}": v for name, v in values.items()}}
    _, found, left = teach("extract", [row], json_schema=str(tmp_path / "kinds.json"))
    assert (found, left) == ([], {"a value that the schema does not allow": 1})


def test_rows_of_one_text_have_one_key_and_briefs_of_one_topic_may_differ() -> None:
    rows = [{"text": text, "reference": "Buenos días"} for text in ("Good day", " Good day\n")]
    assert {gold.key for gold in teach("translate", rows, **ES)[1]} == {"Good day"}
    briefs = [{**LAMP, "facts": [f"{n} watt"], "gold_title": "Lamp", "gold_body": "It shines."} for n in (7, 9, 9)]
    assert len({gold.key for gold in teach("generate", briefs)[1]}) == 2


def test_rows_that_teach_nothing_are_counted() -> None:
    long = "Each of these words is one more of many. " * 12
    rows = [
        {"text": "Good day", "reference": "Buenos días"},
        {"text": "Good day", "reference": None},
        {"text": "One line\nand another", "reference": "Una sola línea"},
        {"text": long, "reference": "Cada una de estas palabras es una más."},
        {"text": "Open", "reference": "Abierto" * 60},
        {"text": None, "reference": "Nada"},
    ]
    _, found, left = teach("translate", rows, to=["es"], source="en")
    assert [gold.targets for gold in found] == [{"es/0": "Buenos días"}]
    assert left == {
        "no answer": 1,
        "a reference that does not follow the pieces of its text": 2,
        "an answer longer than a job lets it be": 1,
        "no valid record": 1,
    }
    assert teach("translate", rows[3:4], to=["es"], source="en", piece_chars=1000)[1]


def test_a_prompt_that_does_not_fit_is_left_out_and_not_cut() -> None:
    rows = [{"messages": "Where is it?", "policy": policy, "reply": "On its way."} for policy in ("", "word " * 900)]
    teacher, found, _ = teach("reply", rows[:1])
    rules = PromptRules(None, "", len(teacher.lessons(found)[0].prompt) + 600, 0, truncate=False)
    _, found, left = teach("reply", rows, rules)
    assert (len(found), left) == (1, {"a prompt longer than the context": 1})


def test_a_reference_is_for_its_own_language() -> None:
    rows = [
        {"text": "Good day", "target_language": "es", "reference": "Buenos días"},
        {"text": "Good day", "target_language": "fr", "reference": "Bonjour"},
    ]
    _, found, left = teach("translate", rows, to=["es", "de"], source="en")
    assert [gold.targets for gold in found] == [{"es/0": "Buenos días"}]
    assert left == {"another target_language than asked for": 1}
    task = make_task(find_task("translate"), {"to": ["es", "de"], "source": "en"}, None, Model("m", None, "m"))
    wide = {"text": "Good day", "ref_es": "Buenos días", "ref_de": "Guten Tag"}
    gold = find_gold(task, {"reference": "ref_{language}"}, [wide], ["text"])
    found = gold.targets(task, task.record(text="Good day"), wide)
    assert found == {"es/0": "Buenos días", "de/0": "Guten Tag"}


def test_a_language_is_known_however_it_is_written() -> None:
    said = ["pt-BR", "ES", "Spanish", "es ", None, "Klingon"]
    rows = [{"text": f"Good day {i}", "target_language": to, "reference": "x"} for i, to in enumerate(said)]
    _, found, left = teach("translate", rows, to=["es", "pt-BR"], source="en")
    assert [list(gold.targets) for gold in found] == [["pt-br/0"], ["es/0"], ["es/0"], ["es/0"]]
    assert left == {"no target_language": 1, "another target_language than asked for": 1}
    _, found, left = teach("translate", rows[1:5], to=["es"], source="en")
    assert (len(found), left) == (4, {})


def test_a_draft_that_a_job_would_refuse_is_not_taught() -> None:
    row = {"topic": "Fair", "format": "social_post", "gold_body": "It is on.", "gold_hashtags": ["#Fair"]}
    wrong: list[dict[str, Any]] = [
        {"gold_body": ""},
        {"gold_body": " \n"},
        {"gold_hashtags": ["#!"]},
        {"gold_hashtags": None},
    ]
    _, found, left = teach("generate", [row, *({**row, **one} for one in wrong)])
    assert len(found) == 1
    assert left == {"a text that is not what its format asks for": 4}


def test_the_first_of_several_variants_is_taught_where_none_is_named() -> None:
    said = [2.0, "2", "1.0", None, 3]
    rows = [{**LAMP, "gold_title": "Lamp", "gold_body": "It shines.", "variant": number} for number in said]
    _, found, left = teach("generate", rows, variants=2)
    assert [list(gold.targets) for gold in found] == [["2/1"], ["2/1"], ["1/1"], ["1/1"]]
    assert left == {"another variant than asked for": 1}


def test_a_result_whose_gold_is_of_no_use_leaves_the_rows_others_in() -> None:
    task = make_task(find_task("translate"), {"to": ["es", "de"], "source": "en"}, None, Model("m", None, "m"))
    wide = {"text": "One line\nand another", "ref_es": "Una sola línea", "ref_de": "Eine Zeile\nund noch eine"}
    gold = find_gold(task, {"reference": "ref_{language}"}, [wide], ["text"])
    found = gold.targets(task, task.record(text=wide["text"]), wide)
    assert found == {"de/0": "Eine Zeile", "de/1": "und noch eine"}


@pytest.mark.parametrize(
    ("name", "row", "given", "message"),
    [
        ("translate", {"text": "One", "gold_label": "Uno"}, {}, "no references to learn from"),
        ("translate", {"text": "One", "reference": "Uno"}, {}, "not said which of es, de the references are in"),
        ("translate", {"text": "One", "reference": "Uno"}, {"reference": "ref_{language}"}, "no column 'ref_es'"),
        (
            "translate",
            {"text": "One", "reference": "Uno"},
            {"label": "text"},
            "does not learn from a column of the role",
        ),
        ("reply", {"messages": "One", "gold_label": "x"}, {}, "no answers to learn from"),
        (
            "sentiment",
            {"text": "One", "gold_label": "x"},
            {"reference": "x"},
            "does not learn from a column of the role",
        ),
    ],
)
def test_gold_of_another_kind_is_one_line(name: str, row: Any, given: dict[str, str], message: str) -> None:
    options = {"to": ["es", "de"]} if name == "translate" else {}
    task = make_task(find_task(name), options, None, Model("m", None, "m"))
    with pytest.raises(UsageError, match=message):
        find_gold(task, given, [row], ["text"])


@pytest.mark.parametrize("value", [["Uno"], {"es": "Uno"}, 3, 2.5])
def test_gold_of_a_type_that_is_no_text_is_one_line(value: Any) -> None:
    task = make_task(find_task("translate"), ES, None, Model("m", None, "m"))
    with pytest.raises(UsageError, match=r"the gold's column 'ref_es' holds .*, not text, which translation is"):
        find_gold(task, {"reference": "ref_{language}"}, [{"text": "One", "ref_es": value}], ["text"])
    for name, column in (("reply", "gold_reply"), ("generate", "gold_title")):
        with pytest.raises(UsageError, match=f"the gold's column '{column}' holds"):
            find_gold(make_task(find_task(name), {}, None, Model("m", None, "m")), {}, [{column: value}], [])


def test_text_may_be_bytes(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": [b"One"], "reference": pa.array([b"Uno"], pa.large_binary())}), tmp_path / "g.parquet"
    )
    rows = read_gold_rows(tmp_path / "g.parquet")
    assert [gold.targets for gold in teach("translate", rows, **ES)[1]] == [{"es/0": "Uno"}]


def test_what_a_task_reads_is_no_answer() -> None:
    task = make_task(find_task("generate"), {}, None, Model("m", None, "m"))
    row = {"title": "Lamp", "facts": "7 watt", "body": "A lamp."}
    assert find_gold(task, {}, [row], ["title", "facts"]) == GoldFields({"body": "body"})


def test_free_text_of_a_few_rows_is_written_and_json_is_not() -> None:
    rows = [{"text": f"Line {i}\nand line", "reference": f"Zeile {i}\nund Zeile"} for i in range(MOST_ROWS + 9)]
    teacher, found, _ = teach("translate", rows, to=["de"], source="en")
    samples = draw_samples(teacher, found, seed=1)
    assert (samples.num_rows, len(samples.lessons)) == (MOST_ROWS, 2 * MOST_ROWS)
    for lesson, reference in zip(samples.lessons, samples.references, strict=True):
        assert bytes(lesson.answer[:-1]).decode() == reference
    teacher, found, _ = teach("generate", [{**LAMP, "gold_title": "Lamp", "gold_body": "It shines."}])
    assert draw_samples(teacher, found, seed=1).num_rows == 0


def test_an_answer_ends_as_turns_of_the_model_do(tiny: Path, tiny_chat: Path) -> None:
    assert end_token(tiny, load_tokenizer(tiny)) == 1
    assert end_token(tiny_chat, load_tokenizer(tiny_chat)) == 0
