"""A server that speaks as vLLM's does, and misbehaves as it is told to: a deterministic model behind real sockets."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

Behave = Callable[[int, dict[str, Any]], str]
"""What to do with the n-th completion request: `ok`, a status such as `429`, `garbage`, `half`, `hang` or `slow`."""

_ANSWERS = {
    "models": {"data": [{"id": "tiny", "owned_by": "vllm", "max_model_len": 512}]},
    "version": {"version": "0.32.0"},
    "health": {"well": True},
}


class FakeServer:
    """Listens on a port of its own from `start` to `stop`, and again on the same one after that.

    Args:
        answers: to requests other than for completions; a number is a status, None a 404.
    """

    def __init__(self, behave: Behave = lambda n, body: "ok", retry_after: str = "0.05", **answers: Any) -> None:
        self.behave, self.retry_after = behave, retry_after
        self.answers = {**_ANSWERS, **answers}
        self.asked: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> "FakeServer":
        self._loop = asyncio.new_event_loop()
        self._over, ready = asyncio.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve(ready)))
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()
            self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if not await self._respond(writer, lines[0].split()[1], json.loads(body or b"{}")):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _respond(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> bool:
        if path != "/v1/completions":
            return _write(writer, *await self.tell(path))
        self.asked.append(body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._complete(writer, body, self.behave(len(self.asked), body))
        finally:
            self.at_once -= 1

    async def tell(self, path: str) -> tuple[int, str]:
        """Status and body of the answer to anything but a completion request."""
        found = self.answers.get(path.removeprefix("/v1").strip("/"))
        if found is None or isinstance(found, int):
            return found or 404, "{}"
        return 200, json.dumps(found)

    async def complete(self, body: dict[str, Any]) -> tuple[int, str]:
        """Status and body of a good answer to a completion request."""
        return 200, json.dumps(_answer(body))

    async def _complete(self, writer: asyncio.StreamWriter, body: dict[str, Any], how: str) -> bool:
        await asyncio.sleep({"ok": 0.005, "slow": 0.4, "hang": 3600}.get(how, 0.001))
        if how.isdigit():
            return _write(writer, int(how), '{"error": {"message": "told to"}}', f"Retry-After: {self.retry_after}\r\n")
        if how == "garbage":
            return _write(writer, 200, '{"choices": [{"te')
        status, text = await self.complete(body)
        if how == "half":
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode()
            )
            writer.write(text[: len(text) // 2].encode())
            return False
        return _write(writer, status, text)


def _write(writer: asyncio.StreamWriter, status: int, text: str, headers: str = "") -> bool:
    body = text.encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return True


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    """Text: the sum of the prompt's ids. A label: by that sum."""
    prompt = body["prompt"] if isinstance(body["prompt"], list) else body["prompt"].encode()
    total = sum(prompt)
    choice: dict[str, Any] = {"text": str(total), "finish_reason": "stop"}
    if ids := body.get("allowed_token_ids"):
        listed = {f"token_id:{token}": -1.0 - ((total + i) % len(ids)) for i, token in enumerate(ids)}
        best = max(listed, key=listed.__getitem__)
        choice |= {"finish_reason": "length", "logprobs": {"tokens": [best], "top_logprobs": [listed]}}
    usage = {
        "prompt_tokens": len(prompt),
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    return {"choices": [choice], "usage": usage}
