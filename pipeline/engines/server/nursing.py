"""Health checks: servers that are away, or quiet for long, are asked how they are."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from pipeline.engines.server.asking import Asking
from pipeline.engines.server.endpoints import Endpoint
from pipeline.engines.server.retries import Backoff, Kind, Trouble
from pipeline.engines.server.tasks import Tasks

_QUIET_SECONDS = 15.0
"""A server that has said nothing for so long while it had requests is asked how it is."""
_LONGEST_SECONDS, _CHECK_SECONDS = 5.0, 20.0


class Told(Protocol):
    """Who is told what was found."""

    def back(self, endpoint: Endpoint) -> None:
        """A server is there again."""

    def gone(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """A server that had requests is not well."""

    def unfit(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """A server will never answer requests of this run."""

    def troubled(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """A server is away still."""


class Nursing:
    """One check at a time for each server that needs it.

    Args:
        asking: reaches them.
        backoff: between one check and the next.
        told: hears what was found.
        tasks: runs the checks.
    """

    def __init__(self, asking: Asking, backoff: Backoff, clock: Callable[[], float], told: Told, tasks: Tasks) -> None:
        self._asking, self._backoff, self._clock, self._told, self._tasks = asking, backoff, clock, told, tasks
        self._nurses: dict[Endpoint, asyncio.Task[None]] = {}

    def begin(self, endpoint: Endpoint) -> None:
        """Ask a server that is away until it is well."""
        before = self._nurses.get(endpoint)
        if before is not None and before is not asyncio.current_task():
            before.cancel()
        self._nurses[endpoint] = self._tasks.start(self._nurse(endpoint))

    def look_after(self, endpoints: Iterable[Endpoint]) -> None:
        """Ask those that have been quiet for long with requests in hand."""
        now = self._clock()
        for endpoint in endpoints:
            quiet = endpoint.in_flight and now - endpoint.last_sign > _QUIET_SECONDS
            if endpoint.usable and quiet and not self._is_nursed(endpoint):
                self._nurses[endpoint] = self._tasks.start(self._visit(endpoint))

    def _is_nursed(self, endpoint: Endpoint) -> bool:
        return endpoint in self._nurses and not self._nurses[endpoint].done()

    async def _nurse(self, endpoint: Endpoint) -> None:
        tries = 0
        while True:
            tries += 1
            await asyncio.sleep(min(_LONGEST_SECONDS, self._backoff.seconds(tries)))
            trouble = await self._asking.is_well(endpoint, _CHECK_SECONDS)
            if trouble is None:
                self._told.back(endpoint)
                return
            if trouble.kind is Kind.UNFIT:
                self._told.unfit(endpoint, trouble)
                return
            self._told.troubled(endpoint, trouble)

    async def _visit(self, endpoint: Endpoint) -> None:
        """Twice, before it is taken for gone."""
        trouble = await self._asking.is_there(endpoint)
        if trouble is not None:
            trouble = await self._asking.is_there(endpoint)
        if trouble is None:
            endpoint.last_sign = self._clock()
        else:
            self._told.gone(endpoint, trouble)
