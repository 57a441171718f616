"""Keys go to servers and nowhere else."""

import asyncio

import pytest

from pipeline.engines.server.client import API_KEY_VARIABLE, Client
from pipeline.engines.server.retries import Trouble
from pipeline.errors import UsageError

KEY = "sk-very-secret"


@pytest.mark.parametrize("written", [KEY, f"{KEY}\n", f" {KEY}\r\n"])
def test_a_server_that_repeats_the_key_is_not_quoted(serve, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, written)
    server = serve()

    async def tell(path: str) -> tuple[int, str]:
        return 403, f'{{"error": {{"message": "no such key: {KEY}"}}}}'

    server.tell = tell

    async def asked() -> object:
        client = Client(server.url)
        try:
            return await client.get("/models", 5.0)
        finally:
            await client.close()

    answer = asyncio.run(asked())
    assert isinstance(answer, Trouble)
    assert answer.message == "403 no such key: ***"


@pytest.mark.parametrize("written", ["sk-véry", "sk very", "sk\nvery"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, written)
    with pytest.raises(UsageError, match="no key has") as refused:
        Client("http://127.0.0.1:1/v1")
    assert written not in str(refused.value)
