"""What the machine's devices take while a block runs, as far as they tell: GPUs by NVML, CPU packages by RAPL.

Both count the whole device, other processes' work included. Where nothing tells, as on most virtual machines, nothing
is measured and nothing is lost.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from pipeline.gpus import visible_gpus
from pipeline.watching import watching
from schemas.manifest import Energy

_READ_SECONDS = 1.0
_RAPL = Path("/sys/class/powercap")


class Source(Protocol):
    """One device's energy."""

    def read(self) -> float:
        """Joules since some moment; never less than before.

        Raises:
            OSError, pynvml.NVMLError: if the device does not tell any more.
        """
        ...


class RaplPackage:
    """A CPU package by Linux's powercap: a counter of microjoules that starts anew at a maximum.

    Source: Documentation/power/powercap/powercap.rst of the Linux kernel.

    Args:
        folder: its zone, `intel-rapl:N` (AMD's as well).

    Raises:
        OSError: if it may not be read; on most systems only root may.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._turn = int((folder / "max_energy_range_uj").read_text()) + 1
        self._last, self._sum = int(self._file.read_text()), 0

    def read(self) -> float:
        now = int(self._file.read_text())
        self._sum, self._last = self._sum + (now - self._last) % self._turn, now
        return self._sum / 1e6


class GpuCounter:
    """A GPU that counts its energy itself (NVIDIA: Volta and later)."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.read()

    def read(self) -> float:
        import pynvml

        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3


class SummedPower:
    """A device that only tells its power: the mean of two readings holds between them.

    Args:
        watts: its power now.
        clock: seconds that only grow.
    """

    def __init__(self, watts: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._watts, self._clock = watts, clock
        self._at, self._power, self._joules = clock(), watts(), 0.0

    def read(self) -> float:
        now, power = self._clock(), self._watts()
        self._joules += (now - self._at) * (power + self._power) / 2
        self._at, self._power = now, power
        return self._joules


class EnergyMeter:
    """Joules of a block of work.

    Args:
        gpus, cpus: where they are read; each opens its sources when the block begins.
    """

    def __init__(
        self,
        gpus: Callable[[], list[Source]] | None = None,
        cpus: Callable[[], list[Source]] | None = None,
    ) -> None:
        self._openers = {"gpu_joules": gpus or open_gpus, "cpu_joules": cpus or open_packages}
        self._sources: list[tuple[str, Source]] = []
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure while the block runs; counters are read each second, for they start anew sooner or later."""
        self._sources = [(name, source) for name, opened in self._openers.items() for source in opened()]
        self._last = {}
        self._read()
        self._first = dict(self._last)
        if not self._sources:
            yield
            return
        try:
            with watching(self._watch):
                yield
        finally:
            self._read()

    def energy(self) -> Energy | None:
        """What the block took; None where no device told, at its beginning and its end."""
        joules: dict[str, float] = {}
        for number, (name, _) in enumerate(self._sources):
            if number in self._first and number in self._last:
                joules[name] = joules.get(name, 0.0) + self._last[number] - self._first[number]
        return Energy(**{name: round(value, 1) for name, value in joules.items()}) if joules else None

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(_READ_SECONDS):
            self._read()

    def _read(self) -> None:
        import pynvml

        for number, (_, source) in enumerate(self._sources):
            try:
                self._last[number] = source.read()
            except (OSError, ValueError, pynvml.NVMLError):
                self._last.pop(number, None)


def open_packages(folder: Path | None = None) -> list[Source]:
    """The CPU packages that may be read; memory and cores, which are parts of them or told apart, are left out."""
    found: list[Source] = []
    for zone in sorted((folder or _RAPL).glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            if (zone / "name").read_text().startswith("package"):
                found.append(RaplPackage(zone))
    return found


def open_gpus() -> list[Source]:
    """The GPUs that this process may use and that tell; none without a driver."""
    import pynvml

    found: list[Source] = []
    for handle in visible_gpus():
        with suppress(pynvml.NVMLError):
            found.append(_gpu(pynvml, handle))
    return found


def _gpu(nvml: Any, handle: Any) -> Source:
    try:
        return GpuCounter(handle)
    except nvml.NVMLError:
        return SummedPower(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3)
