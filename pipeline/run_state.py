"""Keeps `run.json` up to date, so that others can see how far a run is, and how far it got."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from pipeline import metrics
from pipeline.watching import watching
from schemas.run_state import RUN_STATE_NAME, Phase, RunState

_REFRESH_SECONDS = 3.0


class StateFile:
    """The `run.json` of one run. It is written whole, and a disk that refuses it does not stop the run.

    Args:
        folder: where it stands.
        state: what it says first.
    """

    def __init__(self, folder: Path, state: RunState) -> None:
        self._folder, self.state = folder, state
        self._write()

    @contextmanager
    def refreshing(self, rows: int) -> Iterator[None]:
        """Say every few seconds how many of the rows are answered, while the block runs, and once at its end."""
        self._say(rows=rows, rows_done=0)
        try:
            with watching(self._refresh):
                yield
        finally:
            self._count()

    def end(self, phase: Phase, message: str | None = None) -> None:
        """Say how the run ended, if not with a manifest."""
        self._say(state=phase, message=message)

    def _refresh(self, done: threading.Event) -> None:
        while not done.wait(_REFRESH_SECONDS):
            self._count()

    def _count(self) -> None:
        self._say(rows_done=metrics.rows_done(metrics.board()))

    def _say(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)
        self._write()

    def _write(self) -> None:
        scratch = self._folder / f".{RUN_STATE_NAME}.tmp"
        with suppress(OSError):
            scratch.write_text(self.state.model_dump_json(indent=2) + "\n", encoding="utf-8")
            scratch.replace(self._folder / RUN_STATE_NAME)


def read_state(folder: Path) -> RunState | None:
    """What a run's `run.json` says; None if it has none that can be read."""
    try:
        return RunState.model_validate_json((folder / RUN_STATE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
