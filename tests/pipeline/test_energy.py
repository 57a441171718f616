"""Joules: counters that start anew, devices that tell only their power, and machines that tell nothing."""

from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.energy
from pipeline.energy import EnergyMeter, RaplPackage, SummedPower, open_gpus, open_packages
from schemas.manifest import Energy

TURN = 1_000_000


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    """A CPU package as Linux shows it, with a zone of its cores inside."""
    return _zone(tmp_path / "intel-rapl:0", "package-0")


def _zone(folder: Path, name: str, energy: int = 0) -> Path:
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{TURN - 1}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    return folder


@given(st.integers(0, TURN - 1), st.lists(st.integers(0, TURN - 1), max_size=30))
def test_a_counter_that_starts_anew_loses_nothing(tmp_path_factory, start: int, steps: list[int]) -> None:
    zone = _zone(tmp_path_factory.mktemp("rapl") / "intel-rapl:0", "package-0", start)
    package = RaplPackage(zone)
    for total in accumulate(steps):
        (zone / "energy_uj").write_text(str((start + total) % TURN))
        assert package.read() == pytest.approx(total / 1e6)


def test_power_is_summed_over_time() -> None:
    seconds, watts = iter([0.0, 1.0, 3.0]), iter([100.0, 300.0, 100.0])
    device = SummedPower(lambda: next(watts), lambda: next(seconds))
    assert [device.read(), device.read()] == [200.0, 600.0]


def test_packages_are_found_and_their_parts_are_not_counted_twice(zone: Path, tmp_path: Path) -> None:
    _zone(tmp_path / "intel-rapl:0:0", "core")
    _zone(tmp_path / "intel-rapl:1", "package-1")
    _zone(tmp_path / "intel-rapl:2", "psys")
    (tmp_path / "intel-rapl:3").mkdir()
    assert len(open_packages(tmp_path)) == 2
    assert open_packages(tmp_path / "nowhere") == []


def test_a_machine_that_tells_nothing_has_no_energy(tmp_path: Path) -> None:
    meter = EnergyMeter(gpus=list, cpus=lambda: open_packages(tmp_path))
    assert meter.energy() is None
    with meter.measuring():
        pass
    assert meter.energy() is None


def test_without_a_driver_there_are_no_gpus() -> None:
    assert all(source.read() >= 0 for source in open_gpus())


class Counting:
    """A device that takes ten joules a reading, and breaks at the given one."""

    def __init__(self, breaks_at: int = 1000) -> None:
        self.reads, self._breaks_at = 0, breaks_at

    def read(self) -> float:
        self.reads += 1
        if self.reads >= self._breaks_at:
            raise OSError("gone")
        return 10.0 * self.reads


def test_devices_are_summed_by_kind_and_one_that_breaks_is_left_out() -> None:
    meter = EnergyMeter(gpus=lambda: [Counting(), Counting()], cpus=lambda: [Counting(2)])
    with meter.measuring():
        pass
    assert meter.energy() == Energy(gpu_joules=20.0, cpu_joules=None)


def test_a_run_says_what_it_took(run, write_parquet, zone, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pipeline.energy, "_RAPL", tmp_path)
    monkeypatch.setattr(pipeline.energy, "open_gpus", list)

    def answer(*_: object) -> str:
        (zone / "energy_uj").write_text("500000")
        return "positive"

    monkeypatch.setattr("pipeline.engines.scripted.ScriptedEngine._default_script", answer)
    file = write_parquet({"text": ["good", "bad", "fine", "well", None]})
    manifest = run(file)
    assert manifest.energy == Energy(cpu_joules=0.5)
    assert manifest.rates["joules_per_row"] == 0.1
    thousands = (manifest.tokens.prompt + manifest.tokens.output) / 1000
    assert manifest.rates["joules_per_1k_tokens"] == pytest.approx(0.5 / thousands, abs=0.01)
    again = run(file)
    assert again.energy is None, "no engine was at work"
    assert "joules_per_row" not in again.rates
