"""The seam between who hands out requests and how a server is reached."""

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
