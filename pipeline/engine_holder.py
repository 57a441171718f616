"""The one engine of a process: when it starts, who uses it, and when it is closed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline import lifetime, metrics
from pipeline.engines.base import Engine, EngineSpec
from pipeline.engines.supervised import SupervisedEngine

_WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Lease:
    """Use of the engine by one step, and the lock that keeps the others out."""

    engine: Engine
    lock: threading.Lock


class EngineHolder:
    """The one engine of this process, which the rounds of a run use in turn, a bundle at a time.

    It starts with the first request, so a run that has none never starts one, and stays until nobody holds it.
    """

    def __init__(self) -> None:
        self._guard, self._use = threading.Lock(), threading.Lock()
        self._engine: Engine | None = None
        self._spec: EngineSpec | None = None
        self._holders: set[object] = set()

    def hold(self) -> object:
        """A step that may need an engine has been set up; returns what it lets go by."""
        with self._guard:
            self._holders.add(hold := object())
            return hold

    def let_go(self, hold: object) -> None:
        """A step is torn down; the last one closes the engine. A hold of a run that failed is none any more."""
        with self._guard:
            if hold in self._holders:
                self._holders.remove(hold)
                if not self._holders:
                    self.close()

    def take(self, spec: EngineSpec) -> Lease:
        """Use of the engine, started if need be, until `give_back`; waits while another step uses it.

        Raises:
            RunError: if it cannot be started.
        """
        lock = self._use
        while not lock.acquire(timeout=_WAIT_SECONDS):
            lifetime.check_stop()
            lock = self._use
        try:
            lifetime.check_stop()
            if self._engine is None or self._spec != spec:
                self._close_engine()
                self._engine, self._spec = self._start(spec), spec
            return Lease(self._engine, lock)
        except BaseException:
            lock.release()
            raise

    def give_back(self, lease: Lease) -> None:
        """End the use of the engine."""
        lease.lock.release()

    @property
    def is_in_use(self) -> bool:
        """Whether a step has the engine."""
        return self._use.locked()

    def close(self) -> None:
        """Close the engine, if there is one, and forget who held and used it: a run that fails gives nothing back."""
        self._use, self._holders = threading.Lock(), set()
        self._close_engine()

    def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            lifetime.closed(self)
            engine.close()

    def _start(self, spec: EngineSpec) -> Engine:
        started = time.monotonic()
        engine = SupervisedEngine(spec, spec.needs.request_seconds)
        lifetime.opened(self)
        metrics.count(metrics.ENGINE_STARTS)
        metrics.count(metrics.ENGINE_START_US, round(1e6 * (time.monotonic() - started)))
        return engine


holder = EngineHolder()


def engine_is_in_use() -> bool:
    """Whether a step of this process has the engine just now."""
    return holder.is_in_use


@contextmanager
def keeping_engine() -> Iterator[None]:
    """Keep the engine, once it has started, from one pipeline of this process to the next."""
    hold = holder.hold()
    try:
        yield
    finally:
        holder.let_go(hold)
