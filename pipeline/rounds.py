"""One round of asking: the questions of all rows, each answered once, and the answers back to the rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam

from pipeline import lifetime, metrics
from pipeline.completions import AppendCompletions, CompletionFolder
from pipeline.elements import Answer, Asker, Case, Completion, Failure, Question, Request, RowRef
from pipeline.engines.base import EngineSpec
from pipeline.errors import RowError, RunError
from pipeline.inference import Answered, Asked, Complete, count_answered
from pipeline.prompts import HEAD_BYTES
from pipeline.requests import Prompter, PromptRules
from pipeline.task import AnyTask

OK, DONE, MISSING, SIBLINGS = "ok", "done", "missing", "siblings"


@dataclass(frozen=True)
class Round:
    """What a round needs.

    Attributes:
        task, rules: what is asked, and how prompts are made.
        engine: what answers.
        store: where answers are kept.
    """

    task: AnyTask
    rules: PromptRules
    engine: EngineSpec
    store: CompletionFolder


class AskRound(beam.PTransform[Any, Any]):
    """Cases and known completions in; `open`: cases with the round's answers; `done`: cases that asked nothing."""

    def __init__(self, needs: Round) -> None:
        super().__init__()
        self._needs = needs

    def expand(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        cases, known = inputs
        needs = self._needs
        asked = cases | "AskQuestions" >> beam.ParDo(AskQuestions(needs.task, needs.rules)).with_outputs(DONE, main=OK)
        grouped = (
            {"askers": asked.ok, "known": known}
            | "GroupByHead" >> beam.CoGroupByKey()
            | "SplitByKnown" >> beam.FlatMap(split_by_known).with_outputs(MISSING, main=OK)
        )
        fresh = (
            grouped.missing
            | "BuildRequests" >> beam.ParDo(BuildRequests(needs.task, needs.rules))
            | "Complete" >> beam.ParDo(Complete(needs.engine))
            | "AppendCompletions" >> beam.ParDo(AppendCompletions(needs.store))
        )
        given = (
            (grouped.ok, fresh)
            | "Answers" >> beam.Flatten()
            | "GiveAnswers" >> beam.FlatMap(give_answers).with_outputs(SIBLINGS, main=OK)
        )
        joined = given.siblings | "GroupByRow" >> beam.GroupByKey() | "JoinAnswers" >> beam.MapTuple(join_answers)
        return {"open": (given.ok, joined) | "Answered" >> beam.Flatten(), "done": asked.done}


class AskQuestions(beam.DoFn):
    """Cases to askers. Main output: (head, (fingerprint, asker)) for each question; `done`: cases that ask no more.

    The prompt itself is not passed on: it is many times as long as the row, and only requests that are sent need it.
    """

    def __init__(self, task: AnyTask, rules: PromptRules) -> None:
        self._task, self._rules = task, rules

    def setup(self) -> None:
        self._prompter = Prompter(self._rules)

    def process(self, case: Case) -> Iterator[Any]:
        while questions := self._task.ask(case.record, case.answers):
            askers, failures = self._ask(case, questions)
            if askers:
                case = replace(case, answers={**case.answers, **failures})
                for key, name, truncated in askers:
                    yield key[:HEAD_BYTES], (key, Asker(case, name, len(askers), truncated))
                return
            case = replace(case, answers={**case.answers, **failures})
        if not case.answers:
            metrics.count_rows_done(1)
        yield beam.pvalue.TaggedOutput(DONE, case)

    def _ask(
        self, case: Case, questions: Iterable[Question]
    ) -> tuple[list[tuple[bytes, str, bool]], dict[str, Answer]]:
        askers: list[tuple[bytes, str, bool]] = []
        failures: dict[str, Answer] = {}
        for question in questions:
            try:
                request, truncated = self._prompter.request(question)
                askers.append((request.fingerprint, question.name, truncated))
            except RowError as error:
                failures[question.name] = Failure(error.error_class, error.message)
        return askers, failures


def split_by_known(grouped: tuple[bytes, Mapping[str, Iterable[Any]]]) -> Iterator[Any]:
    """The requests of one head: answered from the store (main output), or each to be asked once (`missing`).

    Args:
        grouped: head, {"askers": [(fingerprint, asker)], "known": [(fingerprint, completion)]}.
    """
    _, groups = grouped
    askers: dict[bytes, list[Asker]] = {}
    for key, asker in groups["askers"]:
        askers.setdefault(key, []).append(asker)
    known: dict[bytes, Completion] = {}
    for key, completion in groups["known"] if askers else ():
        known[key] = min(known.get(key, completion), completion, key=lambda c: c.run_id)
    for key, those in askers.items():
        metrics.count(metrics.UNIQUE)
        if key in known:
            metrics.count(metrics.REUSED)
            count_answered(tuple(those))
            yield key, known[key], tuple(those)
        else:
            yield beam.pvalue.TaggedOutput(MISSING, (key, tuple(those)))


class BuildRequests(beam.DoFn):
    """(fingerprint, askers) to (request, askers): the prompt is rendered for the first of those who ask the same."""

    def __init__(self, task: AnyTask, rules: PromptRules) -> None:
        self._task, self._rules = task, rules

    def setup(self) -> None:
        self._prompter = Prompter(self._rules)

    def process(self, element: tuple[bytes, tuple[Asker, ...]]) -> Iterator[Asked]:
        key, askers = element
        yield self._request(key, askers[0]), askers

    def _request(self, key: bytes, asker: Asker) -> Request:
        for question in self._task.ask(asker.case.record, asker.case.answers):
            if question.name == asker.name:
                request, _ = self._prompter.request(question)
                if request.fingerprint == key:
                    return request
        message = f"the task {self._task.name} does not ask {asker.name!r} the same way twice (a bug in the task)"
        raise lifetime.fail(RunError(message, "its questions may depend on the record and the answers only"))


def give_answers(answered: Answered) -> Iterator[Any]:
    """An answer to each row that asked: done with it if it asked just that (main output), or to be joined."""
    _, answer, askers = answered
    for asker in askers:
        if asker.of == 1:
            yield _with_answers(asker.case, {asker.name: answer}, asker.truncated)
        else:
            yield beam.pvalue.TaggedOutput(SIBLINGS, (asker.case.ref, (asker, answer)))


def join_answers(ref: RowRef, given: Iterable[tuple[Asker, Answer]]) -> Case:
    """The answers to all questions of one row."""
    pairs = sorted(given, key=lambda pair: pair[0].name)
    first = pairs[0][0]
    answers = {asker.name: answer for asker, answer in pairs}
    if not len(answers) == len(pairs) == first.of:
        raise lifetime.fail(RunError(f"row {ref}: {first.of} questions, {len(pairs)} answers (a bug in Textmill)"))
    return _with_answers(first.case, answers, any(asker.truncated for asker, _ in pairs))


def _with_answers(case: Case, answers: Mapping[str, Answer], truncated: bool) -> Case:
    return replace(case, answers={**case.answers, **answers}, truncated=case.truncated or truncated)
