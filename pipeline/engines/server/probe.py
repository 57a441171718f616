"""What a server is: which model it serves, what it understands, and whether its vocabulary is ours."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from pipeline.engines.server.client import Client, faulty_url, host_of
from pipeline.engines.server.protocol import NUM_LOGPROBS
from pipeline.engines.server.retries import Kind, Trouble
from pipeline.engines.server.served import Served
from pipeline.errors import RunError, UsageError
from pipeline.tokens import ModelTokenizer

_SECONDS = 20.0
_NO_KEY, _NOT_FOUND = (401, 403), 404
_CACHED = "prompt_tokens_details"
_PROBE_TEXT = "Ünïcode, 1234567 naïve words: it's 5° — 汉字 🙂\n\tdef f(x):\n        return x  "


def look_at(urls: Sequence[str], model: str | None, tokenizer: ModelTokenizer) -> tuple[Served, dict[str, str]]:
    """What the servers serve, and why some do not answer.

    Args:
        urls: the endpoints.
        model: the id to ask for; None: the only one that is served.
        tokenizer: the vocabulary that prompts are made with.

    Raises:
        UsageError: if an address is wrong, servers differ, or serve another model or vocabulary.
        RunError: if none answers.
    """
    for url in urls:
        if (wrong := faulty_url(url)) is not None:
            raise UsageError(f"--endpoint {host_of(url)}: {wrong}")
    found = asyncio.run(_look_at_all(urls, model, tokenizer))
    served = {url: one for url, one in found.items() if isinstance(one, Served)}
    for url, one in found.items():
        if isinstance(one, Trouble) and one.kind in (Kind.UNFIT, Kind.REFUSED):
            raise UsageError(
                f"{url} has no completions: {one.message}", "Textmill needs /v1/completions, not chat only"
            )
    silent = {url: one for url, one in found.items() if isinstance(one, Trouble)}
    if not served:
        url, trouble = next(iter(silent.items()))
        hint = "start it (`textmill serve` starts one here), or name another with --endpoint"
        if trouble.status == _NOT_FOUND:
            hint = "does its address end in /v1, as in http://host:8000/v1?"
        raise RunError(f"{url} does not answer: {trouble.message}", hint)
    (first_url, first), *others = served.items()
    for url, other in others:
        if not other.is_like(first):
            raise UsageError(f"{first_url} and {url} differ: {_in_words(first)}, and {_in_words(other)}")
    return reduce(Served.and_also, served.values()), {url: trouble.message for url, trouble in silent.items()}


def _in_words(served: Served) -> str:
    return f"{served.model} by {served.software} {served.version}"


async def _look_at_all(
    urls: Sequence[str], model: str | None, tokenizer: ModelTokenizer
) -> dict[str, Served | Trouble]:
    found = await asyncio.gather(*(_look_at_one(url, model, tokenizer) for url in urls))
    return dict(zip(urls, found, strict=True))


async def _look_at_one(url: str, model: str | None, tokenizer: ModelTokenizer) -> Served | Trouble:
    client = Client(url)
    try:
        return await examine(client, url, model, tokenizer)
    finally:
        await client.close()


async def examine(
    client: Client, url: str, model: str | None, tokenizer: ModelTokenizer, seconds: float = _SECONDS
) -> Served | Trouble:
    """What a server says of itself, and what answers of a few tokens show.

    Raises:
        UsageError: if it serves another model or vocabulary, or refuses the key.
    """
    served = await describe(client, url, model)
    if isinstance(served, Trouble):
        return served
    try:
        if served.is_vllm:
            return await _try_vllm(client, await _compare(client, url, served, tokenizer), seconds)
        return await _try_out(client, served, tokenizer, seconds)
    except _NoAnswerError as error:
        return error.trouble


class _NoAnswerError(Exception):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


def _answered(answer: object) -> Any:
    """An answer; None of a server that gives no such answers.

    Raises:
        _NoAnswerError: if it gave none this time.
    """
    if not isinstance(answer, Trouble):
        return answer
    if answer.kind in (Kind.REFUSED, Kind.UNFIT):
        return None
    raise _NoAnswerError(answer)


async def describe(client: Client, url: str, model: str | None) -> Served | Trouble:
    """The model that a server serves, by what it says of itself.

    Raises:
        UsageError: if it refuses the key, does not serve the model, or serves several and none was named.
    """
    listed: Any = await client.get("/models", _SECONDS)
    if isinstance(listed, Trouble):
        if listed.status in _NO_KEY:
            raise UsageError(f"{url} refuses: {listed.message}", "is the key in TEXTMILL_API_KEY the right one?")
        return replace(listed, kind=Kind.AWAY)
    try:
        entries = {str(entry["id"]): entry for entry in listed["data"]}
    except (KeyError, TypeError):
        return Trouble(Kind.FAULTY, "it has no list of models")
    if model is None and len(entries) != 1:
        raise UsageError(f"{url} serves {', '.join(entries) or 'no model'}", "name one with --served-model")
    name = model or next(iter(entries))
    if name not in entries:
        raise UsageError(f"{url} does not serve {name!r}", f"it serves {', '.join(entries) or 'nothing'}")
    version: Any = await client.get("/version", _SECONDS, from_root=True)
    by_vllm = entries[name].get("owned_by") == "vllm"
    if by_vllm and isinstance(version, Trouble) and version.kind not in (Kind.UNFIT, Kind.REFUSED):
        return version
    is_vllm = by_vllm and isinstance(version, dict)
    said = version.get("version") if isinstance(version, dict) else ""
    context = entries[name].get("max_model_len")
    return Served(name, "vllm" if is_vllm else "other", str(said or ""), context if isinstance(context, int) else None)


async def _compare(client: Client, url: str, served: Served, tokenizer: ModelTokenizer) -> Served:
    body = {"model": served.model, "prompt": _PROBE_TEXT, "add_special_tokens": False}
    answer = _answered(await client.post("/tokenize", body, _SECONDS))
    theirs = answer.get("tokens") if isinstance(answer, dict) else None
    if theirs is not None and theirs != tokenizer.encode(_PROBE_TEXT):
        raise UsageError(
            f"{url} serves {served.model}, whose vocabulary is not that of --model",
            "say with --model what the server serves: a catalogue name or the model's folder",
        )
    return replace(served, shows_tokens=theirs is not None)


async def _complete(client: Client, body: dict[str, Any], seconds: float) -> Any:
    answer = await client.ask(body, seconds)
    if isinstance(answer, Trouble):
        raise _NoAnswerError(answer)
    return answer


async def _try_vllm(client: Client, served: Served, seconds: float) -> Served:
    """Whether it counts cached tokens, which vLLM does only when told to: shown by one token of an answer."""
    body = {"model": served.model, "prompt": [1, 2, 3], "max_tokens": 1, "temperature": 0}
    return replace(served, tells_cached=bool(_usage(await _complete(client, body, seconds)).get(_CACHED)))


async def _try_out(client: Client, served: Served, tokenizer: ModelTokenizer, seconds: float) -> Served:
    """What a server that is not vLLM understands: shown by answers of a few tokens.

    Raises:
        _NoAnswerError: if it gave no answer this time, or does not complete prompts at all.
    """
    text = "The sky is"
    plain = {"model": served.model, "prompt": text, "max_tokens": 1, "temperature": 0}
    usage = _usage(await _complete(client, plain, seconds))
    ids = tokenizer.encode(text)
    by_ids = _answered(await client.ask({**plain, "prompt": ids}, seconds))
    scored = _answered(await client.ask({**plain, "logprobs": NUM_LOGPROBS}, seconds))
    schema = {"type": "object", "properties": {"a": {"enum": [7]}}, "required": ["a"], "additionalProperties": False}
    held = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    json_answer = _answered(await client.ask({**plain, "max_tokens": 16, "response_format": held}, seconds))
    return replace(
        served,
        takes_ids=_usage(by_ids).get("prompt_tokens") == len(ids),
        gives_logprobs=_has_logprobs(scored),
        holds_schemas=_text(json_answer).replace(" ", "").replace("\n", "") == '{"a":7}',
        tells_cached=_CACHED in usage,
        shows_tokens=False,
    )


def _usage(answer: Any) -> Mapping[str, Any]:
    usage = answer.get("usage") if isinstance(answer, dict) else None
    return usage if isinstance(usage, dict) else {}


def _has_logprobs(answer: Any) -> bool:
    try:
        return len(answer["choices"][0]["logprobs"]["top_logprobs"][0]) > 1
    except (KeyError, TypeError, IndexError):
        return False


def _text(answer: Any) -> str:
    try:
        return str(answer["choices"][0]["text"])
    except (KeyError, TypeError, IndexError):
        return ""
