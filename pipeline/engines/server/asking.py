"""The seam between who hands out requests and how a server is reached."""

import asyncio
from dataclasses import dataclass

from pipeline.elements import Completion
from pipeline.engines.server.endpoints import Endpoint, Job
from pipeline.engines.server.retries import Trouble


class Asking:
    """How the dispatcher reaches a server: to be replaced in tests."""

    async def ask(self, endpoint: Endpoint, job: Job, seconds: float) -> Completion | Trouble:
        """One attempt."""
        raise NotImplementedError

    async def is_well(self, endpoint: Endpoint) -> Trouble | None:
        """Whether a server is there and still serves what it did; None if so."""
        raise NotImplementedError


@dataclass
class Attempt:
    """A request that a server is at, since `began`."""

    job: Job
    endpoint: Endpoint
    began: float
    task: "asyncio.Task[None] | None" = None
