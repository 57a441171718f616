"""How long written answers are, learnt from those of earlier runs that the store keeps."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.forecasting.figures import Range, around
from pipeline.completions import CompletionFolder
from pipeline.store_parts import open_part
from pipeline.survey import READ_ERRORS

_ENOUGH = 5_000
_TOO_FEW = 20
_MOST_PARTS = 200
_COLUMNS = ["prompt_tokens", "output_tokens", "label_logprobs", "run_id"]

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AnswerLengths:
    """A line through the lengths of prompts and answers: what is translated grows with its source, a post does not.

    Attributes:
        intercept, slope: tokens of an answer = intercept + slope · tokens of its prompt.
        deviation: of the answers from the line, in tokens.
        num: how many answers it rests on.
    """

    intercept: float
    slope: float
    deviation: float
    num: int

    def expect(self, prompt_lengths: Sequence[int], num_requests: float) -> Range:
        """All answers to so many requests, some of whose prompts are this long (95 %)."""
        each = np.maximum(1.0, self.intercept + self.slope * np.asarray(prompt_lengths, np.float64))
        error = self.deviation * math.sqrt(num_requests + num_requests**2 / self.num)
        return around(float(each.mean()) * num_requests, 1.96 * error)


def learn_lengths(folder: CompletionFolder, run_ids: Collection[str]) -> AnswerLengths | None:
    """What the newest written answers of these runs say; None if there are too few, or none are there any more."""
    pairs: list[Numbers] = []
    for path in folder.parts()[: -_MOST_PARTS - 1 : -1]:
        pairs.append(_pairs_of(path, pa.array(run_ids, pa.string())))
        if sum(map(len, pairs)) >= _ENOUGH:
            break
    known = np.concatenate(pairs) if pairs else np.empty((0, 2))
    return fit_line(known[:, 0], known[:, 1]) if len(known) >= _TOO_FEW else None


def fit_line(prompts: Numbers, answers: Numbers) -> AnswerLengths:
    """The line of least squares; a flat one where all prompts are equally long."""
    slope = float(np.cov(prompts, answers)[0, 1] / prompts.var(ddof=1)) if np.ptp(prompts) else 0.0
    intercept = float(answers.mean() - slope * prompts.mean())
    rest = answers - intercept - slope * prompts
    return AnswerLengths(intercept, slope, float(rest.std(ddof=min(2, len(rest) - 1))), len(rest))


def _pairs_of(path: str, run_ids: pa.Array) -> Numbers:
    """Tokens of prompt and answer of a part's written completions by these runs; none if it cannot be read."""
    try:
        with open_part(path) as part:
            table = part.read(columns=_COLUMNS)
    except READ_ERRORS:
        return np.empty((0, 2))
    is_wanted = pc.and_(pc.is_in(table["run_id"], run_ids), pc.is_null(table["label_logprobs"]))
    wanted = table.filter(is_wanted)
    return np.column_stack([wanted[name].to_numpy().astype(np.float64) for name in _COLUMNS[:2]])
