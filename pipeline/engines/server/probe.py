"""What a server is: which model it serves, what it understands, and whether its vocabulary is ours."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pipeline.engines.server.client import Client, faulty_url
from pipeline.engines.server.retries import Kind, Trouble
from pipeline.engines.server.served import Served
from pipeline.errors import RunError, UsageError
from pipeline.tokens import ModelTokenizer

_SECONDS = 20.0
_PROBE_TEXT = "Ünïcode, 1234567 naïve words: it's 5° — 汉字 🙂\n\tdef f(x):\n        return x  "


def look_at(urls: Sequence[str], model: str | None, tokenizer: ModelTokenizer) -> tuple[Served, list[str]]:
    """What the servers serve, and what there is to say of those that do not answer.

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
            raise UsageError(f"--endpoint {url.rpartition('@')[2]}: {wrong}")
    found = asyncio.run(_look_at_all(urls, model, tokenizer))
    served = {url: one for url, one in found.items() if isinstance(one, Served)}
    silent = [f"{url} does not answer: {one.message}" for url, one in found.items() if isinstance(one, Trouble)]
    if not served:
        raise RunError(silent[0], "start it (`textmill serve` starts one here), or name another with --endpoint")
    (first_url, first), *others = served.items()
    for url, other in others:
        if other.identity() != first.identity():
            raise UsageError(f"{first_url} and {url} differ: {_in_words(first)}, and {_in_words(other)}")
    return replace(first, context_tokens=_least(served.values())), silent


def _least(served: Iterable[Served]) -> int | None:
    return min((one.context_tokens for one in served if one.context_tokens), default=None)


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
        served = await describe(client, url, model)
        if isinstance(served, Trouble):
            return served
        if served.is_vllm:
            await _check_vocabulary(client, url, served, tokenizer)
            return await _try_vllm(client, served)
        return await _try_out(client, url, served, tokenizer)
    finally:
        await client.close()


async def describe(client: Client, url: str, model: str | None) -> Served | Trouble:
    """The model that a server serves, by what it says of itself.

    Raises:
        UsageError: if it does not serve the model, or several and none was named.
    """
    listed: Any = await client.get("/models", _SECONDS)
    if isinstance(listed, Trouble):
        if listed.kind is Kind.UNFIT:
            raise UsageError(f"{url} refuses: {listed.message}", "is the key in TEXTMILL_API_KEY the right one?")
        return listed
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
    is_vllm = entries[name].get("owned_by") == "vllm" and isinstance(version, dict)
    said = version.get("version") if isinstance(version, dict) else ""
    context = entries[name].get("max_model_len")
    return Served(name, "vllm" if is_vllm else "other", str(said or ""), context if isinstance(context, int) else None)


async def _check_vocabulary(client: Client, url: str, served: Served, tokenizer: ModelTokenizer) -> None:
    body = {"model": served.model, "prompt": _PROBE_TEXT, "add_special_tokens": False}
    answer: Any = await client.post("/tokenize", body, _SECONDS)
    theirs = answer.get("tokens") if isinstance(answer, dict) else None
    if theirs is not None and theirs != tokenizer.encode(_PROBE_TEXT):
        raise UsageError(
            f"{url} serves {served.model}, whose vocabulary is not that of --model",
            "say with --model what the server serves: a catalogue name or the model's folder",
        )


async def _try_vllm(client: Client, served: Served) -> Served:
    """Whether it counts cached tokens, which vLLM does only when told to: shown by one token of an answer."""
    body = {"model": served.model, "prompt": [1, 2, 3], "max_tokens": 1, "temperature": 0}
    answer: Any = await client.ask(body, _SECONDS)
    if not isinstance(answer, dict):
        return served
    usage = answer.get("usage") or {}
    return replace(served, tells_cached=bool(usage.get("prompt_tokens_details")))


async def _try_out(client: Client, url: str, served: Served, tokenizer: ModelTokenizer) -> Served:
    """What a server that is not vLLM understands: shown by answers of a few tokens.

    Raises:
        UsageError: if it does not complete prompts at all.
    """
    text = "The sky is"
    plain = {"model": served.model, "prompt": text, "max_tokens": 1, "temperature": 0}
    answer: Any = await client.ask(plain, _SECONDS)
    if isinstance(answer, Trouble) and answer.kind in (Kind.UNFIT, Kind.REFUSED):
        raise UsageError(f"{url} has no completions: {answer.message}", "Textmill needs /v1/completions, not chat only")
    ids = tokenizer.encode(text)
    by_ids: Any = await client.ask({**plain, "prompt": ids}, _SECONDS)
    scored: Any = await client.ask({**plain, "logprobs": 5}, _SECONDS)
    schema = {"type": "object", "properties": {"a": {"enum": [7]}}, "required": ["a"], "additionalProperties": False}
    held = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    json_answer: Any = await client.ask({**plain, "max_tokens": 16, "response_format": held}, _SECONDS)
    return replace(
        served,
        takes_ids=_counted(by_ids) == len(ids),
        gives_logprobs=_has_logprobs(scored),
        holds_schemas=_text(json_answer).replace(" ", "").replace("\n", "") == '{"a":7}',
        tells_cached="prompt_tokens_details" in (answer.get("usage") or {}) if isinstance(answer, dict) else False,
    )


def _counted(answer: Any) -> int | None:
    try:
        return int(answer["usage"]["prompt_tokens"])
    except (KeyError, TypeError, ValueError):
        return None


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
