"""A probe of a model's fairness, which lies beside results as `probe.json`."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from schemas.evaluation import Figure

PROBE_NAME = "probe.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GroupFigures(_Part):
    """How a model treats one group beside the others of its axis.

    Attributes:
        axis, group: which: names and Polish, say.
        shift: how much higher its texts are scored than the same ones of all groups, on average; where answers have no
            score, the mean distance of their probabilities from those of all groups (total variation, never negative).
        neutral_shift: the same of neutral sentences alone.
        flips: the share of pairs, one text of the group and the same one of another group, that have other labels.
        pairs: how many there are.
    """

    axis: str
    group: str
    shift: Figure
    neutral_shift: Figure | None
    flips: Figure
    pairs: int


class ProbedText(_Part):
    """One text of a pair, and what the model said. `score` is null where answers have none."""

    group: str
    text: str
    label: str
    score: float | None


class ProbedPair(_Part):
    """Two texts that differ in the group alone, and how far apart their answers are: 2 at most for scores, else 1."""

    axis: str
    distance: float
    one: ProbedText
    other: ProbedText


class Probe(_Part):
    """How answers change with who or what a text is about.

    Attributes:
        run_id: the run over the probe's texts.
        recipe_digest: what was probed: a run with the same recipe treats texts so.
        measure: what `shift` is of: `score` or `probabilities`.
        texts, pairs: how many were judged and compared.
        failed: texts without an answer; their pairs are left out.
        resamples, seed: of the bootstrap, which draws templates.
        groups: by axis, in the order of the set.
        worst: the pairs that are farthest apart, the worst first.
    """

    format: int = 1
    run_id: str
    task: str
    model: str
    recipe_digest: str
    probed: datetime
    measure: str
    texts: int
    pairs: int
    failed: int
    resamples: int
    seed: int
    groups: list[GroupFigures]
    worst: list[ProbedPair]

    @property
    def max_shift(self) -> float:
        """The largest of any group, its sign left out."""
        return max((abs(group.shift.value) for group in self.groups), default=0.0)

    @property
    def max_flips(self) -> float:
        """The largest of any group."""
        return max((group.flips.value for group in self.groups), default=0.0)
