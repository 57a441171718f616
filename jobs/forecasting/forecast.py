"""A forecast: rows, requests, tokens, time, money and memory of a job, with how sure each is."""

import math
import statistics
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from jobs.config import JobConfig
from jobs.forecasting.answers import learn_lengths
from jobs.forecasting.counting import Counted, count_requests
from jobs.forecasting.figures import NOTHING, Forecast, Prices, Range, around
from jobs.forecasting.memory import memory_of
from jobs.forecasting.speeds import ENOUGH_SENT, Experience, experience
from jobs.forecasting.warnings import warnings_of_bounds, warnings_of_rows, warnings_of_runs
from jobs.prepare import Prepared, prepare
from jobs.terminal import Terminal
from pipeline.models import Say

_CASCADE = "of a cascade this is what the last model would take for all rows by itself"
_MOST_ROWS = 50_000
_MEASURED_ROWS = 32
_OUTPUT_SPREAD = 0.25


def forecast(config: JobConfig, prices: Prices, say: Say, most_rows: int = _MOST_ROWS) -> Forecast:
    """Find out what a job would take. No engine is started, and neither store nor output is touched.

    Args:
        most_rows: of more rows, about so many are rendered.

    Raises:
        UsageError, RunError: as `jobs.prepare.prepare`; what a run would refuse is refused here.
    """
    prepared = prepare(config, "forecast", Path(gettempdir()), say)
    counted = count_requests(prepared, most_rows)
    known = experience(prepared, config, min(ENOUGH_SENT, max(1, _unstored(counted))))
    sent = _sent(prepared, counted, known)
    prompt = _prompt_tokens(counted, sent)
    output = _output_tokens(prepared, counted, known)
    seconds = _seconds(prepared, known, sent, prompt, output)
    memory = memory_of(prepared) if config.engine == "vllm" else None
    tokens = prompt.plus(output) if output else None
    asking = prepared.rows * counted.unstored / max(1, counted.unique)
    spent = {"tokens": tokens, "rows": around(asking, 0), "minutes": seconds.times(1 / 60) if seconds else None}
    return Forecast(
        task=config.task,
        model=prepared.model.name,
        rows=prepared.rows,
        looked_at=counted.looked_at,
        failing={name: round(n * prepared.rows / counted.looked_at) for name, n in counted.failed.items()},
        unique=counted.unique * counted.one_in,
        stored=counted.stored * counted.one_in,
        sent=sent,
        sampling_error=_sampling_error(counted),
        prompt_tokens=prompt,
        cached_share=known.cached_share if known else None,
        output_tokens=output,
        most_output_tokens=(counted.choices + counted.most_output) * counted.one_in * prepared.plan.task.rounds,
        seconds=seconds,
        runs=len(known.run_ids) if known else 0,
        cost=_cost(prices, tokens, seconds),
        memory=memory,
        warnings=[
            *warnings_of_rows(counted, prepared),
            *(warnings_of_runs(known) if known else ()),
            *([_CASCADE] if config.cascade else ()),
            *warnings_of_bounds(memory, config.budget, spent),
        ],
    )


def measure(config: JobConfig, terminal: Terminal) -> None:
    """Run some rows of a job for real, so that its time is known; their answers are kept in the store.

    Raises:
        UsageError, RunError, Interrupted: as `jobs.run.run_job`.
    """
    from jobs.run import run_job

    with TemporaryDirectory() as folder:
        changes = {
            "sample": _rows_to_measure(config),
            "output": f"{folder}/measured",
            "budget": {},
            "max_failed": None,
            "cascade": None,
        }
        run_job(config.model_copy(update=changes), terminal)


def _rows_to_measure(config: JobConfig) -> int:
    """So many rows drawn that enough of their requests are not in the store; all if they do not suffice."""
    num_rows = _MEASURED_ROWS
    while True:
        sample = num_rows if config.sample is None else min(num_rows, config.sample)
        drawn = config.model_copy(update={"sample": sample})
        prepared = prepare(drawn, "forecast", Path(gettempdir()), lambda message: None)
        if prepared.rows < num_rows or _unstored(count_requests(prepared, _MOST_ROWS)) >= ENOUGH_SENT:
            return sample
        num_rows *= 4


def _unstored(counted: Counted) -> int:
    """Of all rows, the requests of the first round that the engine would have to answer."""
    return counted.unstored * counted.one_in


def _sampling_error(counted: Counted) -> float:
    """The half width of the interval of a count of different ones, each chosen by itself, as a share."""
    return 1.96 * math.sqrt((1 - 1 / counted.one_in) / max(1, counted.unstored))


def _sent(prepared: Prepared, counted: Counted, known: Experience | None) -> Range:
    """Requests for the engine: those of later rounds are as many as before, give or take what chance does to counts."""
    first = _unstored(counted)
    again = known.again if known else 1.0
    value, later_share = first * again, 1 - 1 / again
    error = 0.0
    if known and first and prepared.plan.task.rounds > 1:
        now, before = value * later_share, known.requests * later_share
        error = 1.96 * math.sqrt(max(1.0, now) + now**2 / max(1.0, before))
    return around(value, math.hypot(error, value * _sampling_error(counted)))


def _prompt_tokens(counted: Counted, sent: Range) -> Range:
    lengths = counted.prompt_lengths
    if not lengths:
        return NOTHING
    mean, num = statistics.fmean(lengths), len(lengths)
    missing = 1 - num / (counted.unstored * counted.one_in)  # a sample of all of them is no sample
    error = 1.96 * (statistics.stdev(lengths) if num > 1 else mean) * math.sqrt(missing / num)
    return around(mean * sent.value, math.hypot(sent.value * error, mean * (sent.high - sent.value)))


def _output_tokens(prepared: Prepared, counted: Counted, known: Experience | None) -> Range | None:
    choices = counted.choices * counted.one_in
    chosen = around(choices, choices * _sampling_error(counted))
    written = (counted.unstored - counted.choices) * counted.one_in
    if not written:
        return chosen
    if known is None or not counted.written_lengths:
        return None
    lengths = learn_lengths(prepared.plan.store, known.run_ids)
    if lengths is not None:
        return chosen.plus(lengths.expect(counted.written_lengths, written * known.again))
    value = written * known.again * known.output_tokens / known.requests
    return chosen.plus(around(value, value * _OUTPUT_SPREAD))


def _seconds(
    prepared: Prepared, known: Experience | None, sent: Range, prompt: Range, output: Range | None
) -> Range | None:
    if known is None or output is None:
        return None
    return known.seconds(prepared.rows, sent.value, prompt.value, output.value)


def _cost(prices: Prices, tokens: Range | None, seconds: Range | None) -> Range | None:
    parts = []
    if prices.per_hour is not None and seconds is not None:
        parts.append(seconds.times(prices.per_hour / 3600))
    if prices.per_1k_tokens is not None and tokens is not None:
        parts.append(tokens.times(prices.per_1k_tokens / 1000))
    return reduce(Range.plus, parts) if parts else None
