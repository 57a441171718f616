"""Several questions a row, several results, a second try and a follow-up: on whole runs with a scripted engine."""

import json
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import pipeline.engines.scripted
from jobs.tasks import find_task
from pipeline import metrics
from pipeline.contract import CHECKS, with_example_options
from pipeline.decoding import Choice, Json
from pipeline.elements import Request
from pipeline.errors import RowError, UsageError
from pipeline.prompts import readable
from schemas.envelope import ErrorClass

TOY = f"{Path(__file__).parents[1] / 'toy_task.py'}:TASK"


class Script:
    """What the engine answers, and all that it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, engine, request: Request) -> str:
        prompt = readable(request.segments)
        self.asked.append(prompt)
        if isinstance(request.decoding, Choice):
            return "glad"
        if not isinstance(request.decoding, Json):
            return "in sum"
        if "refuse" in prompt and "left" in prompt:
            raise RowError(ErrorClass.REQUEST_REJECTED, "no")
        if "cannot be used" in prompt:
            return "{" if "never" in prompt else json.dumps({"word": "short" if "long" in prompt else "much longer"})
        if "never" in prompt or "broken" in prompt:
            return "{"
        return json.dumps({"word": "too long a word" if "long" in prompt else "fine"})


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr(pipeline.engines.scripted.ScriptedEngine, "_default_script", lambda e, r: script(e, r))
    return script


def test_every_row_has_each_of_its_results_next_to_each_other(script, run, write_parquet, results) -> None:
    file = write_parquet({"id": [1, 2, 3, 4], "text": ["fine", None, "long", "fine"], "other": list("abcd")})
    manifest = run(file, task=TOY)
    rows = results().to_pylist()
    assert [(r["id"], r["side"], r["other"]) for r in rows] == [
        (i, side, other) for i, other in zip((1, 2, 3, 4), "abcd", strict=True) for side in ("left", "right")
    ]
    assert [r["said"] for r in rows] == ["fine", "fine", None, None, "short", "short", "fine", "fine"]
    assert [r["status"] for r in rows] == ["ok"] * 2 + ["failed"] * 2 + ["ok"] * 4
    assert (manifest.counts.rows, manifest.counts.results, manifest.counts.ok, manifest.counts.failed) == (4, 8, 6, 2)
    assert results(kind="dead_letters").column("text").to_pylist() == [None, None]


def test_rows_that_ask_the_same_ask_once_and_costs_are_told_where_they_belong(
    script, run, write_parquet, results
) -> None:
    manifest = run(write_parquet({"text": ["fine", "long", "fine"]}), task=TOY)
    assert manifest.counts.sent == len(script.asked) == len(set(script.asked)) == 2 * 4 + 2
    assert [row["meta"]["requests"] for row in results().to_pylist()] == [3, 3, 4, 4, 3, 3]
    again = run(write_parquet({"text": ["fine", "long", "fine"]}), task=TOY)
    assert (again.counts.sent, again.counts.reused) == (0, 10)


def test_one_more_result_asks_only_what_is_new(script, run, write_parquet) -> None:
    file = write_parquet({"text": ["fine"]})
    assert run(file, task=TOY, options={"sides": ["left"]}).counts.sent == 3
    assert run(file, task=TOY, options={"sides": ["left", "right"]}).counts.sent == 1


def test_questions_about_one_text_reach_the_engine_together(script, run, write_parquet) -> None:
    run(write_parquet({"text": [f"note {i}" for i in range(40)]}), task=TOY)
    first_round = script.asked[: 40 * 3]
    texts = [prompt.split("\n")[1] for prompt in first_round]
    changes = sum(one != other for one, other in pairwise(texts))
    # The scripted engine takes a quarter of its window at a time, last in first out: a few texts are split.
    assert changes < 40 + 12


def test_an_answer_that_stays_invalid_is_a_dead_letter_of_two_attempts(script, run, write_parquet, results) -> None:
    run(write_parquet({"text": ["never", "broken"]}), task=TOY, options={"sides": ["left"]})
    never, broken = results().to_pylist()
    assert (never["status"], never["error"]["class"]) == ("failed", "invalid_answer")
    assert never["side"] == "left"
    assert results(kind="dead_letters").column("answer").to_pylist() == ["{"]
    assert broken["said"] == "much longer"  # better a failed check than nothing
    assert broken["checks"] == [{"name": "short", "passed": False, "detail": "much longer is too long"}]


def test_the_model_is_told_what_was_wrong_and_can_be_left_alone(script, run, write_parquet, results) -> None:
    file = write_parquet({"text": ["long"]})
    run(file, "told", task=TOY, options={"sides": ["left"]})
    (told,) = [prompt for prompt in script.asked if "cannot be used" in prompt]
    assert '"too long a word"' in told
    assert "cannot be used: too long" in told
    script.asked.clear()
    run(file, "not told", task=TOY, options={"sides": ["left"], "retry": False})
    assert not script.asked  # the first answer is known, and so is the sum
    assert results("not told").column("said").to_pylist() == ["too long a word"]


def test_a_required_check_that_fails_fails_the_row(script, run, write_parquet, results) -> None:
    manifest = run(
        write_parquet({"text": ["broken", "fine"]}), task=TOY, require=["short"], options={"sides": ["left"]}
    )
    failed, fine = results().to_pylist()
    assert (failed["status"], failed["error"]["class"], fine["status"]) == ("failed", "check_failed", "ok")
    assert "much longer is too long" in failed["error"]["message"]
    assert manifest.counts.failed_by_class == {"check_failed": 1}
    assert (manifest.counts.checks["short"].passed, manifest.counts.checks["short"].failed) == (1, 0)
    with pytest.raises(UsageError, match="no check"):
        run(write_parquet({"text": ["fine"]}), task=TOY, require=["shrot"])


def test_a_request_that_fails_costs_the_result_it_was_for(script, run, write_parquet, results) -> None:
    run(write_parquet({"text": ["refuse"]}), task=TOY)
    assert [(r["side"], r["status"]) for r in results().to_pylist()] == [("left", "failed"), ("right", "ok")]


def test_a_dead_letter_says_where_its_failed_result_stands(script, run, write_parquet, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.parts._PART_ROWS", 3)
    run(write_parquet({"text": ["fine", "refuse", None, "refuse", "never", "fine"]}), task=TOY, sample=5)
    found = 0
    for file in (tmp_path / "out/dead_letters").iterdir():
        standing = pq.read_table(tmp_path / "out/results" / file.name).to_pylist()
        for letter in pq.read_table(file).to_pylist():
            first, branch, branches = letter["place"].values()
            failed = standing[first + branch]
            assert (failed["id"], failed["error"]) == (letter["id"], letter["error"])
            assert [row["side"] for row in standing[first : first + branches]] == ["left", "right"]
            assert {row["id"] for row in standing[first : first + branches]} == {letter["id"]}
            found += 1
    assert found >= 4


def test_a_prompt_that_does_not_fit_fails_its_question_only(script, run, write_parquet, results) -> None:
    run(write_parquet({"text": ["x" * 5000, "fine"]}), task=TOY, context_tokens=600, on_too_long="fail")
    rows = results().to_pylist()
    assert [row["error"] and row["error"]["class"] for row in rows] == ["prompt_too_long"] * 2 + [None] * 2
    assert metrics.rows_done(metrics.board()) == 2


def test_the_toy_keeps_the_contract() -> None:
    for _, task in with_example_options(find_task(TOY)):
        for check in CHECKS.values():
            check(task)


def test_nested_columns_and_other_names(script, run, write_parquet, results) -> None:
    file = write_parquet({"words": ["fine"], "labels": [["a", "b"]]})
    manifest = run(file, task=TOY, columns={"text": "words", "tags": "labels"})
    assert manifest.columns == {"text": "words", "tags": "labels"}
    with pytest.raises(UsageError, match="reads no field"):
        run(file, task=TOY, columns={"txt": "words"})


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("absent.py:TASK", "no task file"),
        (TOY.replace("TASK", "Task2"), "no task called Task2"),
        (TOY.replace("TASK", "Note"), "no task called Note"),
    ],
)
def test_a_wrong_task_file_is_one_line(reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_task(reference)
