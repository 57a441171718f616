"""What a forecast says."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Range(BaseModel):
    """A figure and the interval that it is expected to be in (95 %, where it was sampled)."""

    model_config = ConfigDict(frozen=True)

    low: float
    value: float
    high: float

    def times(self, factor: float) -> "Range":
        """All three, multiplied."""
        return Range(low=self.low * factor, value=self.value * factor, high=self.high * factor)

    def plus(self, other: "Range") -> "Range":
        """The sum, as wide as if both erred in the same direction."""
        return Range(low=self.low + other.low, value=self.value + other.value, high=self.high + other.high)


def around(value: float, half: float) -> Range:
    """From `half` less, but not below nothing, to `half` more."""
    return Range(low=max(0.0, value - half), value=value, high=value + half)


NOTHING = around(0, 0)


class Memory(BaseModel):
    """Bytes that a run needs, and that there are, on the device where the model is."""

    model_config = ConfigDict(frozen=True)

    weights: int
    kv_cache: int
    process: int
    available: int

    @property
    def needed(self) -> int:
        """All of it."""
        return self.weights + self.kv_cache + self.process


class Forecast(BaseModel):
    """What a job would take.

    Attributes:
        rows: of the input; of `looked_at` of them it was found out how many would fail or be cut.
        failing: rows that would fail before they are asked about, by error class.
        unique: different requests of the first round; `stored` of them are answered already.
        sent: requests that the engine would get, with what earlier runs asked in later rounds.
        sampling_error: how far `unique` and `stored` may be off, as a share (95 %); 0 if all were rendered.
        prompt_tokens: of those; `cached_share` of them come from the prefix cache, if that is known.
        output_tokens: null if neither earlier runs nor the task tell; then `most_output_tokens` bounds them.
        seconds: of all the run; null if nothing comparable ran on this machine.
        runs: how many earlier runs this rests on.
        cost: by the prices that were given.
        warnings: what a person should know first, one line each.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    model: str
    rows: int
    looked_at: int
    failing: dict[str, int]
    unique: int
    stored: int
    sent: Range
    sampling_error: float
    prompt_tokens: Range
    cached_share: float | None
    output_tokens: Range | None
    most_output_tokens: int
    seconds: Range | None
    runs: int
    cost: Range | None
    memory: Memory | None
    warnings: list[str]


@dataclass(frozen=True)
class Prices:
    """What an hour of the machine, and a thousand tokens, in or out, cost, in whatever money."""

    per_hour: float | None = None
    per_1k_tokens: float | None = None
