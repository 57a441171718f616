"""A cascade, as a run's manifest tells it: which models answered, and by which thresholds."""

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Thresholds(_Part):
    """From which probability on the answers of one model are kept.

    Attributes:
        by_label: of each predicted label; one that is not listed is `otherwise`.
        otherwise: of all other labels; above 1: never.
    """

    by_label: dict[str, float] = Field(default_factory=dict)
    otherwise: float = 2.0

    def keeps(self, label: str, probability: float) -> bool:
        """Whether an answer is kept."""
        return probability >= self.by_label.get(label, self.otherwise)


class Gate(_Part):
    """The thresholds of one model.

    Attributes:
        thresholds: of rows whose partition has none of its own.
        by_partition: of the partitions that do.
    """

    thresholds: Thresholds
    by_partition: dict[str, Thresholds] = Field(default_factory=dict)

    def keeps(self, partition: str | None, label: str, probability: float) -> bool:
        """Whether an answer of a row in a partition is kept."""
        own = self.by_partition.get(partition, self.thresholds) if partition is not None else self.thresholds
        return own.keeps(label, probability)


class CascadeModel(_Part):
    """One model of a cascade.

    Attributes:
        name, digest, recipe_digest: which, and what decides its answers (`meta.recipe` of its rows).
        rows: whose answer it gave.
        sent: requests that the engine got for it, those of the sample included.
        engine_seconds: that these took.
        gate: which of its answers are kept; null: all, for it is the last.
    """

    name: str
    digest: str
    recipe_digest: str
    rows: int
    sent: int
    engine_seconds: float
    gate: Gate | None


class CascadeUse(_Part):
    """How a run's rows were shared among models, the cheapest first.

    Attributes:
        target: share of the rows whose label is to be the last model's; null: thresholds were given.
        delta: the promise may be broken with this probability, over the draw of the sample.
        partition: the column by which rows have thresholds of their own.
        sample: rows that all models answered, to learn from.
        expected_kept: share of the sample that a cheaper model's answers are kept of.
        proven: whether any saving was; if not, the last model answered all rows.
    """

    models: list[CascadeModel]
    target: float | None
    delta: float
    partition: str | None = None
    sample: int = 0
    expected_kept: float | None = None
    proven: bool = True
