"""Answers that the model writes out, for chrF with the right ones: of a few rows, for writing is slow.

They are the most probable words, without the checks, second tries and repairs of a job. JSON is left out: a job holds
it to a schema, which is not done here.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from jobs.adapting.learner import Advance, Learner
from jobs.adapting.lessons import GoldRow, Teacher
from jobs.adapting.packing import Lesson
from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.translations import corpus_figure
from pipeline.decoding import FreeText
from schemas.evaluation import Figure

MOST_ROWS = 50
_AT_ONCE = 8
_MOST_TOKENS = 1024
"""Of an answer: a model that does not come to an end takes its time."""


@dataclass(frozen=True)
class Samples:
    """Some of the rows whose answers are free text, and the lessons of these answers.

    Attributes:
        references: what each lesson's answer should be.
        limits: how many tokens a job lets each answer have.
    """

    lessons: Sequence[Lesson]
    references: Sequence[str]
    limits: Sequence[int]
    num_rows: int

    def figures(
        self, learner: Learner, teacher: Teacher, adapted: bool, resampling: Resampling, advance: Advance
    ) -> dict[str, Figure]:
        """chrF of what the model writes, a row's answers together, with its adapter or without; none of no rows."""
        if not self.lessons:
            return {}
        texts: list[list[str]] = [[] for _ in range(self.num_rows)]
        references: list[list[str]] = [[] for _ in range(self.num_rows)]
        written = write(learner, self.lessons, self.limits, teacher.stops | {teacher.end}, adapted, advance)
        for lesson, reference, tokens in zip(self.lessons, self.references, written, strict=True):
            texts[lesson.row].append(teacher.tokenizer.decode_all(tokens).strip())
            references[lesson.row].append(reference)
        about = f"chrF of answers written to {self.num_rows} of the rows, unchecked and unrepaired, 0 … 100"
        joined = ["\n".join(parts) for parts in texts], ["\n".join(parts) for parts in references]
        return {"chrf": corpus_figure("chrf", *joined, resampling).model_copy(update={"about": about})}


def draw_samples(teacher: Teacher, rows: Sequence[GoldRow], seed: int) -> Samples:
    """At most `MOST_ROWS` of the rows, drawn by the seed."""
    free = [gold for gold in rows if _free_texts(teacher, gold)]
    places = np.sort(np.random.default_rng(seed).permutation(len(free))[:MOST_ROWS])
    kept: list[GoldRow] = []
    limits: list[int] = []
    for place in places:
        texts = _free_texts(teacher, free[place])
        kept.append(GoldRow(free[place].key, free[place].record, texts, "", float("nan")))
        limits += [q.decoding.max_tokens for q in teacher.task.questions(free[place].record) if q.name in texts]
    references = [str(text) for gold in kept for text in gold.targets.values()]
    return Samples(teacher.lessons(kept), references, limits, len(kept))


def _free_texts(teacher: Teacher, gold: GoldRow) -> dict[str, Any]:
    questions = teacher.task.questions(gold.record)
    return {q.name: gold.targets[q.name] for q in questions if q.name in gold.targets and _is_free(q.decoding)}


def _is_free(decoding: object) -> bool:
    return isinstance(decoding, FreeText)


def write(
    learner: Learner,
    lessons: Sequence[Lesson],
    limits: Sequence[int],
    stops: Collection[int],
    adapted: bool,
    advance: Advance,
) -> list[tuple[int, ...]]:
    """The most probable answer to each lesson, without what ends it; of so many tokens at most.

    Args:
        stops: tokens that end an answer.
    """
    written: list[tuple[int, ...]] = [()] * len(lessons)
    limits = [min(limit, _MOST_TOKENS) for limit in limits]
    order = sorted(range(len(lessons)), key=lambda i: (limits[i], len(lessons[i].prompt)))
    for start in range(0, len(order), _AT_ONCE):
        places = order[start : start + _AT_ONCE]
        batch = [lessons[i] for i in places]
        answers = _write_batch(learner, batch, max(limits[i] for i in places), sorted(stops), adapted)
        for place, tokens in zip(places, answers, strict=True):
            written[place] = tokens[: limits[place]]
        advance(len(batch))
    return written


def _write_batch(
    learner: Learner, lessons: Sequence[Lesson], most: int, stops: list[int], adapted: bool
) -> Iterator[tuple[int, ...]]:
    import torch
    from transformers import GenerationConfig

    width = max(len(lesson.prompt) for lesson in lessons)
    tokens = torch.full((len(lessons), width), stops[0], dtype=torch.int64)
    is_read = torch.zeros((len(lessons), width), dtype=torch.int64)
    for row, lesson in enumerate(lessons):
        tokens[row, width - len(lesson.prompt) :] = torch.tensor(lesson.prompt)
        is_read[row, width - len(lesson.prompt) :] = 1
    how = GenerationConfig(max_new_tokens=most, do_sample=False, eos_token_id=stops, pad_token_id=stops[0])
    learner.model.eval()
    with torch.inference_mode(), learner.adapter(adapted):
        found = learner.model.generate(
            input_ids=tokens.to(learner.device), attention_mask=is_read.to(learner.device), generation_config=how
        )
    for answer in found[:, width:].tolist():
        yield tuple(takewhile(lambda token: token not in stops, answer))
