"""An engine elsewhere: vLLM's OpenAI-compatible servers, one or several, or any other that speaks that language.

An event loop in a thread of its own asks; the pipeline submits and collects. Servers may die, be slow, refuse or talk
nonsense meanwhile: a request is tried again, elsewhere if there is an elsewhere, until its deadline.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.elements import Answer, Completion, Failure, Request
from pipeline.engines.base import Answered, EngineNeeds
from pipeline.engines.server.asking import Asking
from pipeline.engines.server.client import Client
from pipeline.engines.server.dispatch import Dispatcher
from pipeline.engines.server.endpoints import Endpoint, Job
from pipeline.engines.server.patience import Rules
from pipeline.engines.server.probe import describe, examine
from pipeline.engines.server.protocol import NoAnswerError, Protocol
from pipeline.engines.server.retries import Backoff, Kind, Trouble
from pipeline.engines.server.served import Served
from pipeline.engines.server.thoughts import Thoughts
from pipeline.engines.server.window import Window
from pipeline.errors import RowError, RunError, UsageError
from pipeline.tokens import ModelTokenizer, load_tokenizer
from schemas.envelope import ErrorClass

THREAD_NAME = "textmill-server-engine"
_COLLECT_SECONDS = 0.25
_AT_ONCE, _VLLMS_AT_ONCE = 16, 128
"""How many requests a server gets at first; and all vLLM servers together, if that is more for each. vLLM has a waiting
line of its own and writes many texts at the price of few; of several, one may be slow and should not have it all."""


@dataclass(frozen=True)
class ServerSpec:
    """How to reach servers.

    Attributes:
        needs: the job's; its model folder has the tokenizer that prompts are made with.
        endpoints: their addresses, such as `http://host:8000/v1`.
        served: what they serve.
        patience_seconds: how long all of them may fail before the run ends.
        backoff_seconds: the first wait before another try, and the longest.
        silent: of the endpoints those that have not answered yet: they get no requests before they were examined.
    """

    needs: EngineNeeds
    endpoints: tuple[str, ...]
    served: Served
    patience_seconds: float = 300.0
    backoff_seconds: tuple[float, float] = (0.25, 20.0)
    silent: frozenset[str] = frozenset()

    def open(self) -> "ServerEngine":
        """Get ready; servers that have answered are not asked anything yet."""
        return ServerEngine(self)

    def identity(self) -> Mapping[str, Any]:
        """The server's kind and version, and the model's id there."""
        return self.served.identity()


class ServerEngine:
    """Servers, and the requests that they are working on."""

    def __init__(self, spec: ServerSpec) -> None:
        needs = spec.needs
        if needs.model_folder is None:
            raise UsageError("a server needs the model's tokenizer here")
        tokenizer = load_tokenizer(Path(needs.model_folder))
        self._protocol = Protocol(spec.served, tokenizer, needs.run_id, needs.reasoning_tokens)
        self._thoughts = Thoughts(needs)
        self._submitted: set[bytes] = set()
        self._error: RunError | None = None
        self._done: queue.SimpleQueue[Answered | RunError] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        start = max(_AT_ONCE, _VLLMS_AT_ONCE // len(spec.endpoints) if spec.served.is_vllm else 0)
        self._endpoints = [Endpoint(url, Window(start), up=url not in spec.silent) for url in spec.endpoints]
        rules = Rules(needs.request_seconds, spec.patience_seconds, Backoff(*spec.backoff_seconds))
        self._asking = _HttpAsking(self._endpoints, spec.served, tokenizer, self._protocol, self._thoughts)
        self._dispatcher = Dispatcher(self._endpoints, self._asking, rules, self._deliver, self._done.put)
        self._stop, self._closed = asyncio.Event(), False
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    @property
    def window(self) -> int:
        """Twice what the servers get at once, so that nobody waits for us."""
        return max(32, 2 * sum(endpoint.window.limit for endpoint in self._endpoints))

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet collected."""
        return len(self._submitted)

    def submit(self, request: Request) -> None:
        """Take a request; one that cannot be sent becomes a failure."""
        self._submitted.add(request.fingerprint)
        try:
            prompt = self._protocol.prompt(request)
            self._protocol.body(request, prompt)
        except (RowError, UsageError) as error:
            self._deliver(request.fingerprint, Failure(ErrorClass.REQUEST_REJECTED, error.message, attempts=0))
            return
        self._loop.call_soon_threadsafe(self._put, request, prompt)

    def _put(self, request: Request, prompt: list[int] | str) -> None:
        self._dispatcher.put(Job(request, prompt, self._loop.time()))

    def collect(self) -> list[Answered]:
        """What was answered meanwhile; waits a moment for the first.

        Raises:
            RunError: if servers have done nothing but fail for too long.
        """
        found: list[Answered] = []
        wait = _COLLECT_SECONDS
        while self._error is None:
            try:
                one = self._done.get(timeout=wait)
            except queue.Empty:
                return found
            wait = 0.0
            if isinstance(one, RunError):
                self._error = one
            elif one[0] in self._submitted:
                self._submitted.remove(one[0])
                found.append(one)
        if not found:
            raise self._error
        return found

    def abort(self, fingerprints: Iterable[bytes]) -> None:
        """Let the servers forget requests."""
        dropped = set(fingerprints)
        self._submitted -= dropped
        self._loop.call_soon_threadsafe(self._dispatcher.forget, dropped)

    def close(self) -> None:
        """Drop what is in flight, and the connections."""
        if self._closed:
            return
        self._closed = True
        self._submitted.clear()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _deliver(self, key: bytes, answer: Answer) -> None:
        self._done.put((key, answer))

    def _run(self) -> None:
        self._loop.run_until_complete(self._work())

    async def _work(self) -> None:
        self._dispatcher.start()
        try:
            await self._stop.wait()
        finally:
            await self._dispatcher.close()
            await self._asking.close()


class _HttpAsking(Asking):
    """Asks over HTTP."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        served: Served,
        tokenizer: ModelTokenizer,
        protocol: Protocol,
        thoughts: Thoughts,
    ) -> None:
        self._clients = {endpoint: Client(endpoint.url) for endpoint in endpoints}
        self._served, self._tokenizer, self._protocol, self._thoughts = served, tokenizer, protocol, thoughts

    async def ask(self, endpoint: Endpoint, job: Job, seconds: float) -> Completion | Trouble:
        """One attempt."""
        answer = await self._clients[endpoint].ask(self._protocol.body(job.request, job.prompt), seconds)
        if isinstance(answer, Trouble):
            return answer
        try:
            said = self._protocol.read(job.request, job.prompt, answer)
        except NoAnswerError as error:
            return Trouble(Kind.FAULTY, str(error)[:300])
        return self._thoughts.told_apart(job.request.decoding, said)

    async def is_there(self, endpoint: Endpoint) -> Trouble | None:
        """Whether it still serves the same model by the same software, as it says."""
        client = self._clients[endpoint]
        if self._served.is_vllm:
            health = await client.get("/health", 10.0, from_root=True)
            if isinstance(health, Trouble):
                return Trouble(Kind.AWAY, health.message)
        return await self._compared(describe(client, endpoint.url, self._served.model))

    async def is_well(self, endpoint: Endpoint, seconds: float) -> Trouble | None:
        """The same, and it is examined as at the start."""
        client = self._clients[endpoint]
        return await self._compared(examine(client, endpoint.url, self._served.model, self._tokenizer, seconds))

    async def _compared(self, looking: Awaitable[Served | Trouble]) -> Trouble | None:
        try:
            found = await looking
        except UsageError as error:
            return Trouble(Kind.UNFIT, error.message)
        if isinstance(found, Trouble):
            return Trouble(Kind.AWAY, found.message)
        if not found.can_replace(self._served):
            return Trouble(Kind.UNFIT, f"it is {found.software} {found.version} now, or offers less")
        return None

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()
