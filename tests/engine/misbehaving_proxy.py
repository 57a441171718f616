"""A proxy in front of a real server: misbehaves as it is told to, and otherwise passes on what is asked and said."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

from tests.pipeline.server.fake_server import Behave, FakeServer


class MisbehavingProxy(FakeServer):
    """Passes requests on to a server; what it does instead, `behave` says for each completion request.

    Args:
        upstream: the server's endpoint, `http://host:port/v1`.
    """

    def __init__(self, upstream: str, behave: Behave) -> None:
        super().__init__(behave)
        self._root = upstream.removesuffix("/v1")

    async def tell(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(self._pass_on, path, None)

    async def complete(self, body: dict[str, Any]) -> tuple[int, str]:
        return await asyncio.to_thread(self._pass_on, "/v1/completions", json.dumps(body).encode())

    def _pass_on(self, path: str, body: bytes | None) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._root + path, body, headers)  # noqa: S310 - http, on this machine
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
