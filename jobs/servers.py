"""From a configuration with endpoints to servers that are known to fit."""

from collections.abc import Collection, Sequence
from pathlib import Path

from jobs.config import JobConfig
from pipeline.decoding import Choice, Decoding
from pipeline.engines.base import EngineNeeds
from pipeline.engines.server.probe import look_at
from pipeline.engines.server.served import Served
from pipeline.engines.server_engine import ServerSpec
from pipeline.engines.vllm_settings import vllm_version
from pipeline.errors import UsageError
from pipeline.models import Say
from pipeline.tokens import load_tokenizer


def server_spec(config: JobConfig, needs: EngineNeeds, decodings: Collection[Decoding], say: Say) -> ServerSpec:
    """The servers of a job, looked at.

    Args:
        decodings: what the task asks for.
        say: told of servers that do not answer, and what the others do not offer.

    Raises:
        UsageError: if there is no endpoint, or what is served there does not fit the job.
        RunError: if none of them answers, or vLLM, whose parser of thoughts is needed, is not installed here.
    """
    if not config.endpoint:
        raise UsageError("--engine server needs an --endpoint", "http://host:8000/v1, say; may be repeated")
    if config.engine_args:
        raise UsageError("--engine-arg is for vLLM in this process", "give it to the server, or to `textmill serve`")
    urls = tuple(dict.fromkeys(url.rstrip("/") for url in config.endpoint))
    served, silent = look_at(urls, config.served_model, load_tokenizer(Path(str(needs.model_folder))))
    for url, message in silent.items():
        say(f"{url} does not answer: {message}")
    for line in _does_not_offer(served, urls):
        say(line)
    thinks = needs.reasoning_tokens > 0 and not all(isinstance(decoding, Choice) for decoding in decodings)
    if thinks and not served.is_vllm:
        raise UsageError(
            f"the model thinks before it answers, and only of vLLM's answers thoughts can be told apart: {urls[0]} is "
            f"another server"
        )
    if thinks:
        vllm_version()
    if any(isinstance(decoding, Choice) for decoding in decodings) and not served.gives_logprobs:
        raise UsageError(f"{urls[0]} gives no log-probabilities, which labels are scored by")
    if served.context_tokens and needs.context_tokens > served.context_tokens:
        raise UsageError(
            f"the rows need {needs.context_tokens} tokens of context, {served.model} is served with "
            f"{served.context_tokens}",
            f"give --context-tokens {served.context_tokens}",
        )
    return ServerSpec(needs, urls, served, silent=frozenset(silent))


def _does_not_offer(served: Served, urls: Sequence[str]) -> list[str]:
    return [f"{urls[0]} ({served.software} {served.version}) has {what}" for what in served.missing()]
