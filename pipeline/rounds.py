"""One round of asking: the questions of all rows, each answered once, and the answers back to the rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import lifetime, metrics
from pipeline.budget import Budget
from pipeline.completions import AppendCompletions, CompletionFolder
from pipeline.elements import (
    NO_ANSWERS,
    Answer,
    Answers,
    Asker,
    Block,
    Case,
    Completion,
    Failure,
    Pending,
    Question,
    Request,
    RowRef,
    in_blocks,
)
from pipeline.engines.base import EngineSpec
from pipeline.errors import RowError, RunError
from pipeline.fingerprints import HEAD_BYTES
from pipeline.inference import Complete, count_answered
from pipeline.requests import Asked, Prompter, PromptRules
from pipeline.store_index import index_of
from pipeline.task import AnyTask

OK, DONE, SIBLINGS = "ok", "done", "siblings"

_GATHERED = 16_384
"""How many questions, or fingerprints to look up, are gathered before they are passed on together."""
_ROWS_TOGETHER = 512
"""Of so many neighbouring rows the answers are joined in one go."""

Asking = tuple[Request, Asker]
"""A request and a row that asks it."""


@dataclass(frozen=True)
class Round:
    """What a round needs.

    Attributes:
        task, rules: what is asked, and how prompts are made.
        engine: what answers.
        run_id: the run's, by which answers of its own are told from earlier ones.
        store: where answers are kept.
        budget: what may be spent.
        num_buckets: into how many groups fingerprints are shuffled: a group is held in memory.
        model: whose work is also counted by itself, in a cascade.
        settles: rows are done with these answers, and counted so.
    """

    task: AnyTask
    rules: PromptRules
    engine: EngineSpec
    run_id: str
    store: CompletionFolder
    budget: Budget
    num_buckets: int
    model: str | None = None
    settles: bool = True


class AskRound(beam.PTransform[Any, Any]):
    """Blocks of cases in, and three kinds out, each case in one of them.

    `done`: cases that asked nothing; `single`, `joined`: cases with the answer to one question, or to several. They are
    not flattened here, for that, between processes, writes down and reads again all that travels.
    """

    def __init__(self, needs: Round) -> None:
        super().__init__()
        self._needs = needs

    def expand(self, cases: Any) -> dict[str, Any]:
        needs = self._needs
        ask = AskQuestions(needs.task, needs.rules, needs.num_buckets, needs.settles)
        asked = cases | "AskQuestions" >> beam.ParDo(ask).with_outputs(DONE, main=OK)
        given = (
            asked.ok
            | "GroupByBucket" >> beam.GroupByKey()
            | "LookUpAnswers" >> beam.ParDo(LookUpAnswers(needs.store, needs.run_id, needs.settles))
            | "Complete" >> beam.ParDo(Complete(needs.engine, needs.budget, needs.model, needs.settles))
            | "AppendCompletions" >> beam.ParDo(AppendCompletions(needs.store))
            | "GiveAnswers" >> beam.FlatMap(give_answers).with_outputs(SIBLINGS, main=OK)
        )
        joined = given.siblings | "GroupByRows" >> beam.GroupByKey() | "JoinAnswers" >> beam.FlatMapTuple(join_answers)
        return {"done": asked.done, "single": given.ok, "joined": joined}


class AskQuestions(beam.DoFn):
    """Cases to who asks what. Main output: (bucket, askings); `done`: cases that ask no more.

    Rendered prompts travel, so that none is rendered twice. Those with one head fall into one bucket.
    """

    def __init__(self, task: AnyTask, rules: PromptRules, num_buckets: int, settles: bool = True) -> None:
        self._task, self._rules, self._num_buckets, self._settles = task, rules, num_buckets, settles

    def setup(self) -> None:
        self._prompter = Prompter(self._rules)

    def start_bundle(self) -> None:
        self._buckets: defaultdict[int, Block[Asking]] = defaultdict(Block)
        self._gathered = 0

    def process(self, cases: Block[Case]) -> Iterator[Any]:
        asking, done, num_new = self._ask(cases)
        for one in asking:
            bucket = int.from_bytes(one[0].fingerprint[:HEAD_BYTES], "big") % self._num_buckets
            self._buckets[bucket].append(one)
        self._gathered += len(asking)
        if done:
            metrics.count_rows_done(num_new if self._settles else 0)
            yield beam.pvalue.TaggedOutput(DONE, done)
        if self._gathered >= _GATHERED:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from map(GlobalWindows.windowed_value, self._flush())

    def _flush(self) -> Iterator[tuple[int, Block[Asking]]]:
        buckets, self._buckets, self._gathered = self._buckets, defaultdict(Block), 0
        yield from buckets.items()

    def _ask(self, cases: Sequence[Case]) -> tuple[list[Asking], Block[Case], int]:
        """What the cases ask next; those that ask nothing, with what has failed meanwhile; how many never asked."""
        asking: list[Asking] = []
        done: Block[Case] = Block()
        num_new, failed_at_once = 0, set[RowRef]()
        while cases:
            asked = [(case, self._task.ask(case.record, case.answers)) for case in cases]
            found = self._prompter.requests([(one, case.adapter) for case, questions in asked for one in questions])
            metrics.count(metrics.GUARDED, sum([isinstance(one, Asked) and one.is_guarded for one in found]))
            rest, cases = iter(found), []
            for case, questions in asked:
                if not questions:
                    done.append(case)
                    num_new += not case.answers or case.ref in failed_at_once
                    continue
                could, failures = _sorted_out(questions, list(islice(rest, len(questions))))
                asking += [(one.request, Asker(case, name, len(could), one.is_cut, failures)) for name, one in could]
                if not could:
                    if not case.answers:
                        failed_at_once.add(case.ref)
                    cases.append(case._replace(answers={**case.answers, **failures}))
        return asking, done, num_new


def _sorted_out(
    questions: Sequence[Question], found: Sequence[Asked | RowError]
) -> tuple[list[tuple[str, Asked]], Answers]:
    """The questions of a case that can be asked, by name, and what has become of the others."""
    could = [(question.name, one) for question, one in zip(questions, found, strict=True) if isinstance(one, Asked)]
    if len(could) == len(questions):
        return could, NO_ANSWERS
    could_not = ((q.name, error) for q, error in zip(questions, found, strict=True) if isinstance(error, RowError))
    return could, {name: Failure(error.error_class, error.message) for name, error in could_not}


class LookUpAnswers(beam.DoFn):
    """Askings, grouped, to blocks of pending requests, each once, with the answers that the store has.

    Of these, what the run itself has answered, in an earlier wave, is no request of its own any more.
    """

    def __init__(self, store: CompletionFolder, run_id: str, settles: bool = True) -> None:
        self._store, self._run_id, self._settles = store, run_id, settles

    def setup(self) -> None:
        self._index = index_of(self._store)
        self._has_looked = False

    def start_bundle(self) -> None:
        self._gathered: dict[bytes, tuple[Request, list[Asker]]] = {}
        if not self._has_looked:  # not in `setup`: what is counted there, damaged parts, is counted nowhere
            self._index.refresh()
            self._has_looked = True

    def process(self, grouped: tuple[int, Iterable[Block[Asking]]]) -> Iterator[Block[Pending]]:
        asked: dict[bytes, tuple[Request, list[Asker]]] = {}
        for block in grouped[1]:
            for request, asker in block:
                if same := asked.get(request.fingerprint):
                    same[1].append(asker)
                else:
                    asked[request.fingerprint] = (request, [asker])
        for key in sorted(asked):  # those that share a head next to each other: the engine computes it once
            self._gathered[key] = asked[key]
        if len(self._gathered) >= _GATHERED:
            yield from self._look_up()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from map(GlobalWindows.windowed_value, self._look_up())

    def _look_up(self) -> Iterator[Block[Pending]]:
        lifetime.check_stop()
        gathered, self._gathered = self._gathered, {}
        known = self._index.find(list(gathered))
        self._count(known, gathered)
        for block in in_blocks(gathered.items()):
            pending: Block[Pending] = Block()
            for key, (request, askers) in block:
                answer = known.get(key)
                pending.append(Pending(key, tuple(askers), None if answer else request, answer))
            if self._settles:
                count_answered(asker for one in pending if one.answer is not None for asker in one.askers)
            yield pending

    def _count(self, known: Mapping[bytes, Completion], gathered: Mapping[bytes, tuple[Request, list[Asker]]]) -> None:
        """Count the requests, and the tokens that nobody computes: stored ones, and those that several rows ask for."""
        own = {key for key, completion in known.items() if completion.run_id == self._run_id}
        first_askers = [askers[0] for key, (_, askers) in gathered.items() if key not in own]
        metrics.count(metrics.UNIQUE, len(first_askers))
        metrics.count(metrics.FOLLOW_UPS, sum(bool(asker.case.answers) for asker in first_askers))
        metrics.count(metrics.REUSED, len(known) - len(own))
        metrics.count(metrics.STORED_TOKENS, sum(c.tokens for key, c in known.items() if key not in own))
        saved = sum((len(gathered[key][1]) - (key not in own)) * c.tokens for key, c in known.items())
        metrics.count(metrics.DUPLICATE_TOKENS, saved)


def give_answers(block: Block[Pending]) -> Iterator[Any]:
    """Answers to the rows that asked: done with those that asked just that (main output), the others to be joined."""
    single: Block[Case] = Block()
    siblings: dict[tuple[int, int], Block[tuple[Asker, Answer | None]]] = {}
    for _, askers, _, answer in block:
        for asker in askers:
            case = asker.case
            if asker.of == 1:
                single.append(_with_answers(case, {**asker.failures, asker.name: answer}, asker.truncated))
            else:
                place = (case.ref.part, case.ref.position // _ROWS_TOGETHER)
                siblings.setdefault(place, Block()).append((asker, answer))
    if single:
        yield single
    for given in siblings.items():
        yield beam.pvalue.TaggedOutput(SIBLINGS, given)


def join_answers(_: tuple[int, int], given: Iterable[Block[tuple[Asker, Answer]]]) -> Iterator[Block[Case]]:
    """The answers to all questions of each of some neighbouring rows."""
    by_row: dict[RowRef, list[tuple[Asker, Answer]]] = {}
    for asker, answer in (pair for block in given for pair in block):
        by_row.setdefault(asker.case.ref, []).append((asker, answer))
    yield Block(_join(ref, pairs) for ref, pairs in sorted(by_row.items()))


def _join(ref: RowRef, pairs: list[tuple[Asker, Answer]]) -> Case:
    first = pairs[0][0]
    answers = {asker.name: answer for asker, answer in sorted(pairs, key=lambda pair: pair[0].name)}
    if not len(answers) == len(pairs) == first.of:
        raise lifetime.fail(RunError(f"row {ref}: {first.of} questions, {len(pairs)} answers (a bug in Textmill)"))
    return _with_answers(first.case, {**first.failures, **answers}, any(asker.truncated for asker, _ in pairs))


def _with_answers(case: Case, answers: Mapping[str, Any], truncated: bool) -> Case:
    ref, record, before, was_truncated, partition, adapter = case
    return Case(ref, record, {**before, **answers}, was_truncated or truncated, partition, adapter)
