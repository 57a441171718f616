"""One server over HTTP, through OpenAI's client: an answer, or what went wrong."""

import json
import logging
import os
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pipeline.engines.server.retries import Kind, Trouble, trouble_of_status
from pipeline.errors import UsageError, one_line

API_KEY_VARIABLE = "TEXTMILL_API_KEY"
_CONNECT_SECONDS = 10.0


class Client:
    """Talks to one server; the key comes from the environment and goes nowhere else.

    Args:
        url: with its `/v1`, if it has one.
    """

    def __init__(self, url: str) -> None:
        import openai

        self._openai = openai
        self._root = url.removesuffix("/v1")
        self._key = api_key()
        key = self._key or "none"
        self._client = openai.AsyncOpenAI(base_url=url, api_key=key, organization="", project="", max_retries=0)
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each request would be most of the log

    async def ask(self, body: dict[str, Any], seconds: float) -> object:
        """What the server answers to a completion request: JSON, or a `Trouble`."""
        return await self._call("POST", "/completions", body, seconds)

    async def get(self, path: str, seconds: float, from_root: bool = False) -> object:
        """What is found there: JSON or text, or a `Trouble`."""
        return await self._call("GET", f"{self._root}{path}" if from_root else path, None, seconds)

    async def post(self, path: str, body: dict[str, Any], seconds: float) -> object:
        """The same for something that is posted, to a path from the server's root."""
        return await self._call("POST", f"{self._root}{path}", body, seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _call(self, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> object:
        answer = await self._answer(method, path, body, seconds)
        if isinstance(answer, Trouble) and self._key:
            return replace(answer, message=answer.message.replace(self._key, "***"))
        return answer

    async def _answer(self, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> object:
        openai = self._openai
        timeout = openai.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        try:
            if method == "GET":
                return await self._client.get(path, cast_to=object, options={"timeout": timeout})
            return await self._client.post(path, cast_to=object, body=body, options={"timeout": timeout})
        except openai.APIConnectionError as error:
            return _broken(error, isinstance(error, openai.APITimeoutError), seconds)
        except openai.APIStatusError as error:
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            return trouble_of_status(error.status_code, _said(error.body, error.message), headers, time.time())
        except (json.JSONDecodeError, UnicodeDecodeError, openai.APIError) as error:
            return Trouble(Kind.FAULTY, f"not an answer: {one_line(error)}")


def api_key() -> str | None:
    """The key from the environment, None without one.

    Raises:
        UsageError: if it cannot be one; it is not shown.
    """
    key = os.environ.get(API_KEY_VARIABLE, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"{API_KEY_VARIABLE} has characters that no key has")
    return key or None


def _broken(error: Exception, timed_out: bool, seconds: float) -> Trouble:
    """A connection that could not be made, or one that broke: only of the latter the request may be the reason."""
    cause = error.__cause__ or error
    said = one_line(cause)
    if type(cause).__name__ in ("ConnectError", "ConnectTimeout"):
        return Trouble(Kind.AWAY, f"cannot connect: {said}")
    if timed_out:
        return Trouble(Kind.LATE, f"no answer within {seconds:.0f} s")
    return Trouble(Kind.FAULTY, f"the connection broke: {said}")


def _said(body: object, otherwise: str) -> str:
    """The server's own words."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        found = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(found, str):
            return one_line(found)
    return one_line(otherwise)


def host_of(url: str) -> str:
    """What of an address may be shown: keys may be in all the rest."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
    except ValueError:
        return ""


def faulty_url(url: str) -> str | None:
    """What is wrong with an endpoint's address, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no address"
    if parts.scheme not in ("http", "https") or not host:
        return "an endpoint looks like http://host:8000/v1"
    if parts.username or parts.password or parts.query:
        return f"keys do not belong into an address: set {API_KEY_VARIABLE} in the environment"
    return None
