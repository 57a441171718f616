"""Aspects: a choice for each, questions about one text together, and quotes that stand where they are said to."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.aspects import ASPECT_LABELS, find_quote, read_listed
from jobs.tasks.sentiment import Sentiment, SentimentOptions
from pipeline.elements import Completion
from pipeline.errors import RowError, UsageError
from pipeline.fingerprints import HEAD_BYTES, fingerprint
from pipeline.rendering import PromptRenderer
from pipeline.requests import plain_template
from schemas.records import TextRecord

RECORD = TextRecord(text="Great screen, but the battery is poor.")


def _choice(labels: tuple[str, ...], most: str) -> Completion:
    logprobs = tuple(math.log(0.6 if label == most else 0.1) for label in labels)
    return Completion(most, logprobs, 1, 0, 1, "stop", "run")


def test_each_aspect_is_a_choice_with_probabilities() -> None:
    task = Sentiment(SentimentOptions(aspect_names=("screen", " battery  life ")), "chat")
    answers = {
        "answer": _choice(task.options.labels, "mixed"),
        "aspect/0": _choice(ASPECT_LABELS, "positive"),
        "aspect/1": _choice(ASPECT_LABELS, "not_mentioned"),
    }
    assert [q.name for q in task.ask(RECORD, {})] == list(answers)
    result = task.parse(RECORD, 0, answers)
    screen, battery = result.aspects
    assert (result.label, screen.label, battery.label) == ("mixed", "positive", "not_mentioned")
    assert (screen.aspect, battery.aspect) == ("screen", "battery life")
    assert screen.p_positive == pytest.approx(0.6)
    assert sum(getattr(screen, f"p_{label}") for label in ASPECT_LABELS) == pytest.approx(1)
    assert (screen.score, result.aspects_dropped) == (pytest.approx(0.5), None)
    assert task.rounds == 1


@pytest.mark.parametrize("form", ["chat", "bare"])
def test_questions_about_aspects_share_all_up_to_the_text(form: str) -> None:
    task = Sentiment(SentimentOptions(aspect_names=("screen", "battery", "price")), form)
    heads = {
        fingerprint("s", PromptRenderer(plain_template).render(q.prompt), q.decoding)[:HEAD_BYTES]
        for q in task.questions(RECORD)[1:]
    }
    assert len(heads) == 1


def test_without_aspects_nothing_is_asked_for_them() -> None:
    task = Sentiment(SentimentOptions(), "chat")
    assert [q.name for q in task.questions(RECORD)] == ["answer"]
    result = task.parse(RECORD, 0, {"answer": _choice(task.options.labels, "mixed")})
    assert (result.aspects, result.aspects_dropped) == (None, None)


def _listed(*aspects: tuple[str, str, str]) -> Completion:
    made = [{"aspect": a, "label": label, "quote": quote} for a, label, quote in aspects]
    return Completion(json.dumps({"aspects": made}), None, 1, 0, 1, "stop", "run")


def test_listed_aspects_have_their_words_in_the_text_or_are_dropped_and_counted() -> None:
    found, dropped = read_listed(
        RECORD.text,
        _listed(
            ("Battery", "negative", "the battery is poor"),
            ("screen", "positive", "great  SCREEN"),
            ("price", "negative", "far too expensive"),
            ("screen", "mixed", "screen"),
        ),
    )
    assert [(a.aspect, a.label, a.evidence, a.start) for a in found] == [
        ("screen", "positive", "Great screen", 0),
        ("battery", "negative", "the battery is poor", 18),
    ]
    assert dropped == 1
    assert found[0].p_positive is None


def test_a_list_that_is_none_is_asked_for_again_and_then_fails_the_row() -> None:
    task = Sentiment(SentimentOptions(find_aspects="open"), "chat")
    answers = {"answer": _choice(task.options.labels, "mixed"), "aspects": _listed()}
    assert task.ask(RECORD, answers) == []
    assert task.parse(RECORD, 0, answers).aspects == []
    broken = {**answers, "aspects": Completion("{", None, 1, 0, 1, "stop", "run")}
    assert [q.name for q in task.ask(RECORD, broken)] == ["aspects/again"]
    with pytest.raises(RowError):
        task.parse(RECORD, 0, broken)


_texts = st.text(st.sampled_from("aAbß' ’\"“-–\n\t🙂é."), max_size=30)


@given(before=_texts, quote=_texts, after=_texts)
def test_what_is_found_is_what_stands_there(before: str, quote: str, after: str) -> None:
    text = before + quote + after
    place = find_quote(text, quote)
    if not any(map(str.isalnum, quote)):
        assert place is None
        return
    assert place is not None
    letters = [c for c in quote.casefold() if c.isalnum()]
    assert [c for c in text[place[0] : place[1]].casefold() if c.isalnum()] == letters


@pytest.mark.parametrize(
    ("quote", "found"), [("It's  GREAT", "It’s great"), ("it was", None), ("", None), ("  ", None)]
)
def test_quotes_are_found_up_to_case_space_and_marks(quote: str, found: str | None) -> None:
    text = "Well: It’s great\nreally"
    place = find_quote(text, quote)
    assert (place and text[place[0] : place[1]]) == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aspect_names": ["a", "A"]}, "twice"),
        ({"aspect_names": [" "]}, "no name"),
        ({"aspect_names": [f"a{i}" for i in range(21)]}, "aspect_names"),
        ({"aspect_names": ["a"], "find_aspects": "open"}, "either"),
        ({"find_aspects": "closed"}, "find_aspects"),
    ],
)
def test_wrong_options_are_one_line(options: dict, message: str, run, write_parquet) -> None:
    with pytest.raises(UsageError, match=message):
        run(write_parquet({"text": ["a"]}), options=options)


def test_one_more_aspect_asks_only_about_that(run, write_parquet, results) -> None:
    file = write_parquet({"text": ["one", "two", "one"]})
    assert run(file, options={"aspect_names": ["a", "b"]}).counts.sent == 6
    assert run(file, options={"aspect_names": ["a", "b", "c"]}).counts.sent == 2
    assert [len(row["aspects"]) for row in results().to_pylist()] == [3, 3, 3]
