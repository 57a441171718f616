"""Many examples in one sequence: what their prompts begin with is computed once, and nothing is padded.

Each example sees the shared beginning and itself, at the positions that it would have alone, so the loss and its
gradient are those of the examples one by one (a test holds that).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lesson:
    """What the model reads for one question about one row, and what it should answer.

    Attributes:
        prompt: token ids.
        answer: token ids of an answer in words, with the token that ends it; empty for a choice.
        labels: for a choice, the token of each label, else empty.
        target: for a choice, the share that each label should have; they add up to 1.
        weight: how much it counts in the loss.
        row: which row of the gold it is about.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    target: tuple[float, ...] = ()
    weight: float = 1.0
    row: int = 0

    @property
    def read(self) -> tuple[int, ...]:
        """The tokens that are computed: all but the last one of the answer."""
        return self.prompt + self.answer[:-1]

    @property
    def num_answers(self) -> int:
        """How many tokens are predicted: those at the end of what is read."""
        return len(self.answer) or 1


@dataclass(frozen=True)
class Packed:
    """Lessons in one sequence.

    Attributes:
        lessons: they, in order.
        tokens, positions: shape (length,).
        owner: the lesson that a token belongs to, -1 for the shared beginning; shape (length,).
        answers: where in the sequence the answers are predicted, lesson by lesson.
    """

    lessons: tuple[Lesson, ...]
    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    owner: NDArray[np.int64]
    answers: NDArray[np.int64]

    def visible(self) -> NDArray[np.bool_]:
        """Which token (column) each token (row) sees; shape (length, length)."""
        own = self.owner[:, None] == self.owner[None, :]
        places = np.arange(len(self.tokens))
        seen: NDArray[np.bool_] = (own | (self.owner == -1)[None, :]) & (places[:, None] >= places[None, :])
        return seen


def pack(lessons: Sequence[Lesson]) -> Packed:
    """All of them in one sequence."""
    shared = _shared(lessons)
    columns: list[tuple[Any, ...]] = [(token, i, -1) for i, token in enumerate(lessons[0].prompt[:shared])]
    answers: list[int] = []
    for number, lesson in enumerate(lessons):
        columns += [(token, shared + i, number) for i, token in enumerate(lesson.read[shared:])]
        answers += range(len(columns) - lesson.num_answers, len(columns))
    tokens, positions, owner = np.array(columns, np.int64).T
    return Packed(tuple(lessons), tokens, positions, owner, np.array(answers, np.int64))


def packs_of(lessons: Iterable[Lesson], max_tokens: int) -> Iterator[Packed]:
    """Lessons in their order, in sequences of at most so many tokens beside what they begin with in common.

    One that is longer goes alone. What is shared is not counted: it may be longer than all the rest, and lessons that
    go alone for that would each compute it anew.
    """
    waiting: list[Lesson] = []
    for lesson in lessons:
        if waiting and _own_tokens([*waiting, lesson]) > max_tokens:
            yield pack(waiting)
            waiting = []
        waiting.append(lesson)
    if waiting:
        yield pack(waiting)


def _own_tokens(lessons: Sequence[Lesson]) -> int:
    shared = _shared(lessons)
    return sum(len(lesson.read) - shared for lesson in lessons)


def _shared(lessons: Sequence[Lesson]) -> int:
    """How many tokens all prompts begin with; each keeps one of its own, from which it answers."""
    first, last = min(lesson.prompt for lesson in lessons), max(lesson.prompt for lesson in lessons)
    same = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return min(same, *(len(lesson.prompt) - 1 for lesson in lessons))
