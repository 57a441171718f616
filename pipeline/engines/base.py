"""The engine seam: requests in, exactly one completion or error out for each, in any order, many in flight."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.elements import Answer, Request

Answered = tuple[bytes, Answer]
"""A request's fingerprint and what became of it."""


class Engine(Protocol):
    """Something that answers requests.

    A caller keeps `window` requests submitted and collects what is done: there is no batch to wait for.
    """

    @property
    def window(self) -> int:
        """How many requests to keep in flight so that the engine is never idle."""
        ...

    @property
    def in_flight(self) -> int:
        """How many requests were submitted and not yet collected."""
        ...

    def submit(self, request: Request) -> None:
        """Take a request. One that cannot be answered is not raised here: its `Failure` is collected."""
        ...

    def collect(self) -> list[Answered]:
        """Work on, and return what was finished meanwhile: perhaps nothing, but something in the end.

        Raises:
            EngineDied: if the engine itself has failed; it is of no use any more.
            RunError: if no engine would fare better.
        """
        ...

    def abort(self, fingerprints: Iterable[bytes]) -> None:
        """Forget requests that were submitted: they are not answered any more."""
        ...

    def close(self) -> None:
        """Give back what the engine holds. Closing twice does nothing."""
        ...


class EngineSpec(Protocol):
    """How to start an engine: small, picklable, the same on every worker."""

    @property
    def needs(self) -> "EngineNeeds":
        """What the job asks of it."""
        ...

    def open(self) -> Engine:
        """Start it, which may take a while.

        Raises:
            RunError: if it cannot be started.
        """
        ...

    def identity(self) -> Mapping[str, Any]:
        """What of it can change an answer, as plain data for the recipe."""
        ...


@dataclass(frozen=True)
class AdapterFiles:
    """Where an adapter lies, and the digest that its answers are kept under: it is read later than that was taken."""

    folder: str
    digest: str


@dataclass(frozen=True)
class EngineNeeds:
    """What a job asks of whichever engine runs it.

    Attributes:
        run_id: written into the completions.
        context_tokens: the longest prompt and answer together.
        model_folder: the weights; None for an engine that has none.
        reasoning_tokens: how many tokens a model that thinks before it answers may spend on that, for each request;
            0: it is not one.
        request_seconds: how long a request may take from submission to answer.
        arguments: the engine's own arguments, by its own names.
        adapters: those that requests may ask for, by name.
    """

    run_id: str
    context_tokens: int
    model_folder: str | None
    reasoning_tokens: int = 0
    request_seconds: float = 3600.0
    arguments: Mapping[str, Any] = field(default_factory=dict)
    adapters: Mapping[str, AdapterFiles] = field(default_factory=dict)
