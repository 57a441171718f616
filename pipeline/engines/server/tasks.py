"""Tasks that are held until they end, and whose errors somebody hears of."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from pipeline.engines.server.patience import AGAIN
from pipeline.errors import RunError, first_line

_LOG = logging.getLogger(__name__)


class Tasks:
    """What runs beside.

    Args:
        end: gets the error that ends the run when a task raises.
    """

    def __init__(self, end: Callable[[RunError], None]) -> None:
        self._end = end
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Begin it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel all that still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("asking servers failed", exc_info=error)
            self._end(RunError(f"asking servers failed: {first_line(error)}", AGAIN))
