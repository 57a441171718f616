"""Kill runs at random moments and start them again, until one ends: nothing lost, nothing twice, nothing left over."""

import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from tests.torture.children import Child, Ended
from tests.torture.reader import watch
from tests.torture.scenes import IN_FLIGHT, PHASES, WINDOW, Scene, make_scene
from tests.torture.verdicts import (
    Broken,
    check_equal,
    check_folder,
    check_nothing_left,
    check_parts,
    must,
    read_manifest,
)

DEADLINE_SECONDS = 120.0
_STOP_SECONDS = 10.0
_INTERRUPTED = 130
_PLACES = {"out", ".out.lock", "store", "sent", "stderr.txt", "reader"}
_EARLY = (b"p", b"r", b"a", b"e", b"e", b"s", b"s", b"s", b"w")
_LATE = (b"p", b"r", b"a", b"w", b"w", b"c", b"x")


@dataclass
class Tally:
    """What has happened so far.

    Attributes:
        kills: by what was sent.
        fell: kills by what the run was at.
        broken: promises that did not hold, in words.
    """

    kills: Counter[str] = field(default_factory=Counter)
    fell: Counter[str] = field(default_factory=Counter)
    sequences: int = 0
    looks: int = 0
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = ", ".join(f"{n} {name}" for name, n in sorted(self.kills.items()))
        fell = ", ".join(f"{name} {self.fell[name]}" for name in ("start", *PHASES.values()))
        return (
            f"kills: {self.kills.total()} ({kills}; during {fell}) in {self.sequences} sequences, "
            f"{self.looks} looks of a reader, {len(self.broken)} broken promises"
        )


def main(seed: int, number: int, folder: Path, most_rows: int = 900) -> int:
    """Deliver so many kills; returns the exit code."""
    tally, rng, i = Tally(), Random(seed), 0
    while tally.kills.total() < number:
        place = folder / f"scene{i}"
        scene = make_scene(place, rng, most_rows)
        try:
            _act(scene, Random(rng.random()), tally, with_variants=i % 8 == 0)
            shutil.rmtree(place)
        except Broken as error:
            tally.broken.append(str(error))
            print(f"  BROKEN in {place} (kept): {error}", flush=True)
        i += 1
        print(f"  {tally.kills.total()}/{number} kills, {tally.sequences} sequences", flush=True)
    print(tally)
    return 1 if tally.broken else 0


def _act(scene: Scene, rng: Random, tally: Tally, with_variants: bool) -> None:
    """One scene: undisturbed, disturbed into an empty place, and disturbed once more over an older output."""
    calm = scene.folder / "calm"
    calm.mkdir()
    ended = Child(partial(scene.run, calm / "out", calm / "store", calm / "sent"), calm).wait(DEADLINE_SECONDS)
    must(ended.code == 0, f"the undisturbed run ended with {ended.code}: {ended.err}")
    expected = check_folder(calm / "out", scene.rows, scene.results_in_row)
    unique = _size(calm / "sent")
    must(unique == read_manifest(calm / "out")["counts"]["sent"], "requests are not counted right")

    rough = scene.folder / "rough"
    rough.mkdir()
    for is_second in (False, True):
        shutil.rmtree(rough / "store", ignore_errors=True)
        (rough / "sent").unlink(missing_ok=True)
        may_cost = _disturb(scene, rough, rng, tally, is_second)
        check_equal(check_folder(rough / "out", scene.rows, scene.results_in_row), expected)
        check_nothing_left(rough, rough / "store", _PLACES)
        check_parts(rough / "store")
        sent = _size(rough / "sent")
        must(sent <= 1.02 * unique + may_cost, f"{sent} requests sent, {unique} are unique, kills may cost {may_cost}")
        tally.sequences += 1
    if with_variants:
        _two_on_one_output(scene, rough)
        _two_on_one_store(scene, unique, expected)


def _disturb(scene: Scene, place: Path, rng: Random, tally: Tally, is_second: bool) -> int:
    """Runs until one ends by itself; returns how many requests the kills may have cost. A reader watches."""
    (place / "reader").mkdir(exist_ok=True)
    reader = Child(partial(watch, place / "out", scene.rows, scene.results_in_row), place / "reader")
    may_cost, before = 0, read_manifest(place / "out")["run_id"] if is_second else None
    try:
        for i in range(rng.randint(2, 7)):
            number = rng.choices([signal.SIGKILL, signal.SIGTERM, signal.SIGINT], [70, 15, 15])[0]
            left = {path.name for path in place.glob(".out.*.tmp")}
            child = Child(partial(scene.run, place / "out", place / "store", place / "sent"), place)
            fell = _wait_for_moment(child, rng, i < 2)
            was_alive = child.is_alive()
            sent_at = time.monotonic()
            child.send(number)
            ended = child.wait(DEADLINE_SECONDS)
            if not was_alive:
                must(ended.code == 0, f"a run that nobody stopped ended with {ended.code}: {ended.err}")
                return may_cost
            tally.kills[signal.Signals(number).name] += 1
            tally.fell[fell] += 1
            may_cost += IN_FLIGHT if number == signal.SIGKILL else WINDOW
            _check_ending(number, ended, time.monotonic() - sent_at, place, left)
            is_whole = (place / "out").exists()
            must(is_whole or before is None, "the old output is gone")
            if is_whole:
                check_folder(place / "out", scene.rows, scene.results_in_row)
        ended = Child(partial(scene.run, place / "out", place / "store", place / "sent"), place).wait(DEADLINE_SECONDS)
        must(ended.code == 0, f"the last run ended with {ended.code}: {ended.err}")
        return may_cost
    finally:
        reader.send(signal.SIGTERM)
        seen = reader.wait(_STOP_SECONDS)
        tally.looks += len(reader.marks)
        if seen.code != 0:
            tally.broken.append(f"a reader saw: {seen.err}")
            print(f"  BROKEN: a reader saw: {seen.err}", flush=True)


def _wait_for_moment(child: Child, rng: Random, is_early: bool) -> str:
    """Wait until the run is at something for the n-th time, and a little more; returns what it was at.

    Later runs have little to ask, and soon come to writing.
    """
    letter = rng.choice(_EARLY if is_early else _LATE) if rng.random() < 0.9 else b""
    times = rng.choice([1, 1, 1, 2, 5])
    if letter:
        while child.is_alive() and child.listen(0.001).count(letter) < times and not _is_past(child, letter):
            pass
    else:
        time.sleep(rng.uniform(0.0, 0.3))
    time.sleep(rng.choice([0.0, 0.0, rng.uniform(0, 0.002), rng.uniform(0, 0.02)]))
    marks = child.listen(0.0)
    return PHASES[marks[-1:]] if marks else "start"


def _is_past(child: Child, letter: bytes) -> bool:
    """Whether it has come so far that what was waited for will not come so often."""
    return letter not in b"cx" and b"x" in child.listen(0.0)


def _check_ending(number: int, ended: Ended, seconds: float, place: Path, left: set[str]) -> None:
    """A run that was killed is dead; one that was asked to stop has stopped soon, said so, and left but a note."""
    if number == signal.SIGKILL:
        must(ended.code in (-signal.SIGKILL, 0), f"killed, and ended with {ended.code}: {ended.err}")
        return
    must(ended.code in (_INTERRUPTED, 0), f"{number} ended it with {ended.code}: {ended.err}")
    must(seconds < _STOP_SECONDS, f"{number} ended it after {seconds:.1f} seconds")
    must("Traceback" not in ended.err, ended.err)
    if ended.code == _INTERRUPTED and ended.err:
        must(ended.err.count("error: interrupted") == 1, ended.err)
        notes = {
            path.parent.name for path in place.glob(".out.*.tmp/run.json") if len(list(path.parent.iterdir())) == 1
        }
        check_nothing_left(place, place / "store", _PLACES | left | notes)


def _two_on_one_output(scene: Scene, place: Path) -> None:
    """The second is refused, and told which one is at work; the first does not mind."""
    shutil.rmtree(place / "store", ignore_errors=True)
    first = Child(partial(scene.run, place / "out", place / "store", place / "sent"), place)
    while first.is_alive() and not first.listen(0.001):
        pass
    (place / "second").mkdir()
    at_work = [f.name.split(".")[2] for f in place.glob(".out.*.tmp")]
    if at_work:
        ended = Child(partial(scene.run, place / "out", place / "store", place / "sent"), place / "second").wait(60)
        if first.is_alive():
            must(ended.code == 2, f"a second run on one output ended with {ended.code}: {ended.err}")
            must(f"another run ({at_work[0]})" in ended.err, f"which run is at work? {ended.err}")
    ended = first.wait(DEADLINE_SECONDS)
    must(ended.code == 0, f"the first of two runs ended with {ended.code}: {ended.err}")
    check_folder(place / "out", scene.rows, scene.results_in_row)


def _two_on_one_store(scene: Scene, unique: int, expected: dict) -> None:
    """Both are right; what both ask at once may be paid for twice."""
    places = [scene.folder / name for name in ("one", "other")]
    for place in places:
        place.mkdir()
    store = scene.folder / "shared"
    children = [Child(partial(scene.run, place / "out", store, scene.folder / "sent"), place) for place in places]
    for child, place in zip(children, places, strict=True):
        ended = child.wait(DEADLINE_SECONDS)
        must(ended.code == 0, f"one of two runs on one store ended with {ended.code}: {ended.err}")
        check_equal(check_folder(place / "out", scene.rows, scene.results_in_row), expected)
        check_nothing_left(place, store, {"out", ".out.lock", "stderr.txt"})
    must(_size(scene.folder / "sent") <= 2 * unique, "more was sent than two runs need")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
