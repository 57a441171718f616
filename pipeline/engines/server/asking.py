"""The seam between who hands out requests and how a server is reached."""

from typing import Protocol

from pipeline.elements import Completion
from pipeline.engines.server.endpoints import Endpoint, Job
from pipeline.engines.server.retries import Trouble


class Asking(Protocol):
    """How the dispatcher reaches a server."""

    async def ask(self, endpoint: Endpoint, job: Job, seconds: float) -> Completion | Trouble:
        """One attempt."""

    async def is_there(self, endpoint: Endpoint) -> Trouble | None:
        """Whether a server still serves what it did, by what it says of itself; None if so."""

    async def is_well(self, endpoint: Endpoint, seconds: float) -> Trouble | None:
        """The same, and it must answer a request of ours within so many seconds."""
