"""What is said of two runs, A and B; the fields are the JSON of `textmill compare`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, computed_field

from jobs.comparing.answer_columns import Kind
from schemas.manifest import ModelInfo

Share = float
Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Bounds(_Part):
    """How much worse B may be; what chance alone would do to equal runs is allowed in any case.

    Attributes:
        max_psi: largest population stability index of an answer column.
        max_flips: largest share of rows with another category, at the lower end of its interval.
        max_failed: by how much more of the rows may fail.
        max_check_drop: by how much fewer results may pass a check, or have an answer in a column.
        max_slowdown: by what share of A's engine requests/s B may be slower; None: speed is shown and not judged.
        alpha: how often equal runs may be called different, over all figures together.
    """

    max_psi: float = Field(0.1, ge=0)
    max_flips: Share = Field(0.2, ge=0, le=1)
    max_failed: Share = Field(0.01, ge=0, le=1)
    max_check_drop: Share = Field(0.05, ge=0, le=1)
    max_slowdown: Share | None = Field(None, ge=0, le=1)
    alpha: Share = Field(0.01, gt=0, lt=1)


class Side(_Part):
    """One of the two runs, with the speed its manifest tells."""

    output: str
    run_id: str
    task: str
    model: ModelInfo
    recipe_digest: str
    rows: int
    results: int
    failed: int
    reused: int
    rates: dict[str, float]


class Rows(_Part):
    """How many results both runs have, and how many only one has."""

    both: int
    only_a: int
    only_b: int


class Changed(_Part):
    """How many common rows have another answer.

    Attributes:
        kind: of the column; categories flip, texts and lists are merely written differently.
        rows: rows with an answer in both runs.
        interval: of `share`, 95 %.
    """

    column: str
    kind: Kind
    rows: int
    changed: int
    share: Share
    interval: Interval


class Flip(_Part):
    """A row whose answer is another one.

    Attributes:
        confidence: 1 - uncertainty of the less certain of the two answers; None if the task has no uncertainty.
        texts: what the task read, by column.
    """

    id: Any
    column: str
    a: str
    b: str
    confidence: float | None
    texts: dict[str, Any]


class Shift(_Part):
    """How far the distribution of an answer column differs.

    Attributes:
        psi, js_distance: population stability index and Jensen-Shannon distance.
        chance: the index that equal runs of these rows stay below in 99 of 100 cases.
        usual: the largest index among earlier runs; None if none were given.
        p: how often equal runs would give as much, for all figures of the comparison together.
        testable: whether an exchange of rows could change it; if not, p is 1 and the others' do not count it.
        mean_a, mean_b: of numbers, and of lengths.
        shares_a, shares_b: of the rows, by bin.
    """

    column: str
    kind: Kind
    rows_a: int
    rows_b: int
    psi: float
    js_distance: float
    chance: float
    usual: float | None
    p: float
    testable: bool
    mean_a: float | None
    mean_b: float | None
    bins: list[str]
    shares_a: list[Share]
    shares_b: list[Share]


class RateChange(_Part):
    """How much more results fail, altogether or at a check, or have no answer; `p` and `testable` as for `Shift`."""

    what: str
    rows_a: int
    rows_b: int
    failing_a: Share
    failing_b: Share
    rise: float
    p: float
    testable: bool


class Difference(_Part):
    """Something that was set or done differently, by its dotted key; None where a side does not have it."""

    key: str
    a: Any
    b: Any


class Comparison(_Part):
    """All of it.

    Attributes:
        skipped: answer columns that are not compared, each with the reason.
        findings: what is beyond its bound, in one line each.
    """

    a: Side
    b: Side
    canary: bool
    bounds: Bounds
    rows: Rows
    changed: list[Changed]
    flips: list[Flip]
    shifts: list[Shift]
    rates: list[RateChange]
    differences: list[Difference]
    skipped: list[str]
    findings: list[str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def regressed(self) -> bool:
        """Whether anything is beyond its bound."""
        return bool(self.findings)
