"""What a cascade is to be, as the configuration says, and what it has become."""

from dataclasses import dataclass

from schemas.manifest import ModelInfo


@dataclass(frozen=True)
class CascadeRule:
    """A cascade whose thresholds are settled.

    Attributes:
        models, recipes: of all models, the last included, and the digests of their recipes.
        target, delta, partition, sample, expected_kept, proven: as in `schemas.cascade.CascadeUse`.
    """

    models: tuple[ModelInfo, ...]
    recipes: tuple[str, ...]
    target: float | None
    delta: float
    partition: str | None
    sample: int
    expected_kept: float | None
    proven: bool
