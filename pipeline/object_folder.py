"""The output of a run on an object store, or any filesystem of Beam's that cannot put a folder in its place.

`<output>/manifest.json` names the files of one complete run, `<output>/<run id>/results/…` and `…/dead_letters/…`. They
are written first and the manifest last, in one step: a reader who goes by it sees the run before, or this one, whole.
The files of the run before stay, for those who read them just then; those of older runs go.
"""

import json
import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from pydantic import ValidationError

from pipeline.errors import UsageError, first_line
from pipeline.layout import DEAD_LETTERS, LOG_NAME, RESULTS, OutputLayout
from pipeline.survey import open_parquet
from pipeline.tables import PartWriter
from pipeline.whole_files import write_whole
from schemas.manifest import MANIFEST_NAME, FileInfo, Manifest

_LOG = logging.getLogger(__name__)

_CLAIM_NAME = "claim.json"
_CLAIM_SECONDS, _REFRESH_SECONDS = 60.0, 15.0
_OF_A_RUN = re.compile(rf"(\d{{8}}T\d{{6}}-[0-9a-f]{{6}})/({RESULTS}/.|{DEAD_LETTERS}/.|{re.escape(LOG_NAME)}$)")
"""A file of a run's, below the output; the group is the run's id."""


class ObjectFolder:
    """The output of a run where nothing can be renamed or locked.

    A claim, an object that is written again every few seconds, keeps other runs away; one that is a minute old is
    nobody's. Should two runs start at the same moment, both are complete, and the later manifest counts.

    Args:
        output: where the manifest is to be, as a URL.
        run_id: names the folder of the run's files.
    """

    def __init__(self, output: str, run_id: str) -> None:
        self.output, self.run_id = output.rstrip("/"), run_id
        self.parts = f"{self.output}/{run_id}"
        self.building = Path(tempfile.mkdtemp(prefix="textmill-run-"))
        self._claim = f"{self.output}/{_CLAIM_NAME}"
        self._released = threading.Event()
        self._refresher = threading.Thread(target=self._keep_claim, daemon=True)
        self._claimed = self._committed = False
        self._replaces: str | None = None

    @property
    def log(self) -> Path:
        """Where the run's log is while it runs: on this machine."""
        return self.building / LOG_NAME

    def open(self) -> None:
        """Claim the place.

        Raises:
            UsageError: if something is there that Textmill did not write, or another run is writing there.
        """
        try:
            self._replaces = self._check_replaceable()
            self._refuse_claimed()
            self._write_claim()
            self._claimed = True
        except (BeamIOError, OSError, ValueError) as error:
            raise UsageError(f"cannot write to {self.output}: {first_line(error)}") from None
        self._refresher.start()

    def commit(
        self, layout: OutputLayout, make_manifest: Callable[[list[FileInfo], list[FileInfo]], Manifest]
    ) -> Manifest:
        """Complete the run's files with its log, and replace the manifest.

        Args:
            layout: for the empty tables that stand in where there were no rows.
            make_manifest: called with the result and dead-letter files; returns the `Manifest` to write.
        """
        results = self._files(RESULTS, layout.results)
        manifest = make_manifest(results, self._files(DEAD_LETTERS, layout.dead_letters))
        if self.log.exists():
            write_whole(f"{self.parts}/{LOG_NAME}", self.log.read_bytes())
        write_whole(f"{self.output}/{MANIFEST_NAME}", (manifest.model_dump_json(indent=2) + "\n").encode())
        self._committed = True
        self._remove_older()
        return manifest

    def release(self, keep: Collection[str] = ()) -> None:
        """Let go of the place; the files of a run that was not committed go.

        Args:
            keep: if the log is among it, that stays on this machine.
        """
        self._released.set()
        with suppress(BeamIOError, OSError, ValueError):
            if self._claimed:
                if self._refresher.is_alive():
                    self._refresher.join(_REFRESH_SECONDS)  # it would write the claim again
                if not self._committed:
                    self._delete(self._list(f"{self.parts}/"))
                if self._is_claimed_by_us():
                    self._delete([self._claim])
        if LOG_NAME not in keep:
            shutil.rmtree(self.building, ignore_errors=True)

    def remove_left_over(self) -> None:
        """Nothing: what a run left that was killed goes with the run after next."""

    def _check_replaceable(self) -> str | None:
        """The id of the run that is there."""
        manifest = f"{self.output}/{MANIFEST_NAME}"
        own = (manifest, self._claim)
        if others := [path for path in self._list(f"{self.output}/") if path not in own and not self._run_of(path)]:
            raise UsageError(f"{self.output} holds {others[0]!r}, not written by Textmill", "choose another output")
        if not FileSystems.exists(manifest):
            return None
        with FileSystems.open(manifest) as stream:
            try:
                return Manifest.model_validate_json(stream.read()).run_id
            except ValidationError:
                raise UsageError(f"{manifest} was not written by Textmill", "choose another output") from None

    def _run_of(self, path: str) -> str | None:
        """The id of the run that a file is of; None if it is of none."""
        found = _OF_A_RUN.match(path.removeprefix(f"{self.output}/"))
        return found[1] if found else None

    def _refuse_claimed(self) -> None:
        claim = self._read_claim()
        if claim and claim["run_id"] != self.run_id and time.time() - claim["seconds"] < _CLAIM_SECONDS:
            message = f"another run ({claim['run_id']}) is writing to {self.output}"
            raise UsageError(message, f"wait for it; if it was killed, for {_CLAIM_SECONDS:.0f} seconds")

    def _read_claim(self) -> dict[str, Any]:
        if not FileSystems.exists(self._claim):
            return {}
        with FileSystems.open(self._claim) as stream:
            claim: dict[str, Any] = json.loads(stream.read())
        return claim

    def _is_claimed_by_us(self) -> bool:
        """Whether no other run has taken a claim over that was not refreshed for too long."""
        return self._read_claim().get("run_id") == self.run_id

    def _write_claim(self) -> None:
        write_whole(self._claim, json.dumps({"run_id": self.run_id, "seconds": time.time()}).encode())

    def _keep_claim(self) -> None:
        while not self._released.wait(_REFRESH_SECONDS):
            try:
                if not self._is_claimed_by_us():
                    _LOG.warning("another run has taken the claim on %s over", self.output)
                    return
                self._write_claim()
            except (BeamIOError, OSError, ValueError) as error:
                _LOG.warning("cannot refresh the claim on %s: %s", self.output, first_line(error))

    def _files(self, name: str, schema: pa.Schema) -> list[FileInfo]:
        folder = f"{self.parts}/{name}"
        if not self._list(f"{folder}/"):
            with PartWriter(f"{folder}/part-00000.parquet", schema, even_if_empty=True):
                pass
        found = []
        for metadata in FileSystems.match([f"{folder}/*.parquet"])[0].metadata_list:
            with open_parquet(metadata.path) as parquet:
                path = metadata.path.removeprefix(f"{self.output}/")
                found.append(FileInfo(path=path, rows=parquet.metadata.num_rows, size_bytes=metadata.size_in_bytes))
        return sorted(found, key=lambda info: info.path)

    def _remove_older(self) -> None:
        """Delete the files of runs that are older than the one that was replaced; run ids sort by their start."""
        if self._replaces is None:
            return
        with suppress(BeamIOError, OSError, ValueError):
            found = ((path, self._run_of(path)) for path in self._list(f"{self.output}/"))
            self._delete([path for path, run_id in found if run_id and run_id < self._replaces])

    def _list(self, prefix: str) -> list[str]:
        """Every file below; what ends in a slash is a console's mark of a folder."""
        found = FileSystems.match([f"{prefix}**"])[0].metadata_list
        return [file.path for file in found if not file.path.endswith("/")]

    def _delete(self, paths: list[str]) -> None:
        if paths:
            FileSystems.delete(paths)
