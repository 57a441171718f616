"""A forecast: rows, requests, tokens, time, money and memory of a job, with how sure each is."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from pydantic import BaseModel, ConfigDict

from jobs.config import JobConfig
from jobs.forecasting.counting import Counted, count_requests
from jobs.forecasting.speeds import Experience, experience
from jobs.prepare import Prepared, prepare
from pipeline.engines.vllm_engine import kv_cache_bytes
from pipeline.models import Say, catalogue

_ALL_ROWS = 50_000
"""Of a larger input, so many rows drawn at random are looked at."""
_TIME_SPREAD = 0.25
_PROCESS_BYTES = 3 << 29
"""Python, torch, Beam and a wave of rows, with no model."""


class Range(BaseModel):
    """A figure and the interval that it is expected to be in (95 %, where it was sampled)."""

    model_config = ConfigDict(frozen=True)

    low: float
    value: float
    high: float

    def times(self, factor: float) -> "Range":
        """All three, multiplied."""
        return Range(low=self.low * factor, value=self.value * factor, high=self.high * factor)


class Memory(BaseModel):
    """Bytes that a run needs, and that there are."""

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
        rows: of the input; `looked_at` of them were read, all unless there are many.
        failing: rows that would fail before they are asked about, by error class.
        unique: different requests of the first round; `stored` are answered already.
        sent: requests that the engine would get, with what earlier runs asked in later rounds.
        prompt_tokens: of those; `cached_share` of them come from the prefix cache, if that is known.
        output_tokens: null if neither earlier runs nor the task tell; then `most_output_tokens` bounds them.
        seconds: null if nothing comparable ran on this machine.
        runs: how many earlier runs this rests on.
        cost: by the prices that were given, whichever was.
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
    sent: int
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
    """What an hour of the machine, or a thousand tokens, cost, in whatever money."""

    per_hour: float | None = None
    per_1k_tokens: float | None = None


def forecast(config: JobConfig, prices: Prices, say: Say) -> Forecast:
    """Find out what a job would take. No engine is started, and neither store nor output is touched.

    Raises:
        UsageError, RunError: as `jobs.prepare.prepare`; what a run would refuse is refused here.
    """
    prepared = _prepare(config, say)
    rows = prepared.rows
    if rows > _ALL_ROWS:
        drawn = config.model_copy(update={"sample": _ALL_ROWS, "limit": None} if config.sample is None else {})
        prepared = _prepare(drawn, say) if config.sample is None else prepared
    counted = count_requests(prepared)
    known = experience(prepared, config.store, config.engine_args)
    scale = rows / max(1, counted.rows)
    later = _later_rounds(counted, known) if prepared.plan.task.rounds > 1 else 1.0
    sent = counted.unstored * scale * later
    prompt = _prompt_tokens(counted, sent)
    output = _output_tokens(counted, known, scale, later)
    seconds = _seconds(counted, known, rows, sent) if known else Range(low=0, value=0, high=0) if not sent else None
    return Forecast(
        task=config.task,
        model=prepared.model.name,
        rows=rows,
        looked_at=counted.rows,
        failing={name: round(number * scale) for name, number in counted.failed.items()},
        unique=round(counted.unique * scale),
        stored=round(counted.stored * scale),
        sent=round(sent),
        prompt_tokens=prompt,
        cached_share=known.cached_tokens / max(1, known.prompt_tokens) if known else None,
        output_tokens=output,
        most_output_tokens=round((counted.choices + counted.most_output) * scale * prepared.plan.task.rounds),
        seconds=seconds,
        runs=known.runs if known else 0,
        cost=_cost(prices, prompt, output, seconds),
        memory=_memory(prepared) if config.engine == "vllm" else None,
        warnings=list(_warnings(counted, known, prepared)),
    )


def _prepare(config: JobConfig, say: Say) -> Prepared:
    return prepare(config, "forecast", Path(gettempdir()), say)


def _later_rounds(counted: Counted, known: Experience | None) -> float:
    """How many requests come for each of the first round, by runs whose texts came again as often."""
    if known is None or not counted.unique:
        return 1.0
    return max(1.0, known.requests_per_row / (counted.unique / counted.rows))


def _prompt_tokens(counted: Counted, sent: float) -> Range:
    lengths = counted.prompt_lengths
    if not lengths:
        return Range(low=0, value=0, high=0)
    mean, num = statistics.fmean(lengths), len(lengths)
    missing = math.sqrt(max(0.0, 1 - num / counted.unstored))  # a sample of all of them is no sample
    half = 1.96 * (statistics.stdev(lengths) if num > 1 else mean) / math.sqrt(num) * missing
    return Range(low=(mean - half) * sent, value=mean * sent, high=(mean + half) * sent)


def _output_tokens(counted: Counted, known: Experience | None, scale: float, later: float) -> Range | None:
    choices, others = counted.choices * scale, (counted.unstored - counted.choices) * scale * later
    if not others:
        return Range(low=choices, value=choices, high=choices)
    if known is None:
        return None
    each = known.output_tokens / known.requests
    value = choices + others * each
    return Range(low=value * (1 - _TIME_SPREAD), value=value, high=value * (1 + _TIME_SPREAD))


def _seconds(counted: Counted, known: Experience, rows: int, sent: float) -> Range:
    """The engine's seconds a request, by the length of the prompts where answers are one token, and the rest."""
    each = known.engine_seconds / known.requests
    if counted.choices == counted.unstored and counted.prompt_lengths:
        cached = known.cached_tokens / known.requests
        now, then = statistics.fmean(counted.prompt_lengths) - cached, known.prompt_tokens / known.requests - cached
        each *= min(4.0, max(0.25, now / then)) if then > 0 else 1.0
    spread = _TIME_SPREAD
    if len(known.speeds) > 1:
        spread = max(spread, (max(known.speeds) - min(known.speeds)) / statistics.fmean(known.speeds) / 2)
    work = sent * each + rows * known.other_seconds_per_row
    start = known.start_seconds if sent else 0.0
    return Range(low=start + work * (1 - spread), value=start + work, high=start + work * (1 + spread))


def _cost(prices: Prices, prompt: Range, output: Range | None, seconds: Range | None) -> Range | None:
    parts = []
    if prices.per_hour is not None and seconds is not None:
        parts.append(seconds.times(prices.per_hour / 3600))
    if prices.per_1k_tokens is not None and output is not None:
        parts += [prompt.times(prices.per_1k_tokens / 1000), output.times(prices.per_1k_tokens / 1000)]
    if not parts:
        return None
    return Range(low=sum(p.low for p in parts), value=sum(p.value for p in parts), high=sum(p.high for p in parts))


def _memory(prepared: Prepared) -> Memory | None:
    import psutil

    folder = prepared.plan.engine.needs.model_folder
    if folder is None:
        return None
    weights = sum(file.stat().st_size for file in Path(folder).glob("*.safetensors"))
    given = prepared.plan.engine.needs.arguments.get("kv_cache_memory_bytes")
    cache = int(given) if given is not None else kv_cache_bytes()
    available = psutil.virtual_memory().available
    return Memory(weights=weights, kv_cache=cache, process=_PROCESS_BYTES, available=available)


def _warnings(counted: Counted, known: Experience | None, prepared: Prepared) -> Iterator[str]:
    if counted.truncated:
        yield f"{counted.truncated / counted.rows:.1%} of the rows have a text that does not fit the context: it is cut"
    bad = sum(counted.failed.values())
    if bad > counted.rows / 20:
        yield f"{bad / counted.rows:.0%} of the rows would fail: {_listed(counted.failed)}"
    entry = catalogue().get(prepared.model.name)
    if entry and entry.languages:
        foreign = Counter({code: n for code, n in counted.languages.items() if code not in entry.languages})
        if foreign.total() > counted.languages.total() / 20:
            good = ", ".join(entry.languages)
            yield f"{entry.name} is good at {good}; of {counted.languages.total()} texts {_listed(foreign)}"
    if known and known.majority and known.majority[2] > 0.9:
        column, value, share = known.majority
        yield f"the last run gave {share:.0%} of the rows the {column} {value!r}: look whether that is so"
    memory = _memory(prepared)
    if memory and memory.needed > memory.available:
        yield "there is less memory than a run needs"


def _listed(found: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in found.most_common(5))
