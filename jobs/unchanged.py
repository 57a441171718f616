"""Whether a run would write what its output already holds, so that a schedule or a Makefile may skip it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from apache_beam.io.filesystems import FileSystems

from jobs.config import JobConfig
from jobs.manifest import versions
from jobs.prepare import Prepared
from pipeline.errors import UsageError
from pipeline.run_folder import read_manifest
from schemas.envelope import ErrorClass
from schemas.manifest import Manifest

_TRANSIENT = {ErrorClass.ENGINE_DIED, ErrorClass.DEADLINE, ErrorClass.OVER_BUDGET, ErrorClass.REQUEST_REJECTED}
"""Rows that failed so may come out otherwise the next time; a request is rejected, too, when servers fail at it."""


def digest_of(config: JobConfig, models: Sequence[Prepared]) -> str:
    """Names all that the output of a run follows from.

    That is the settings, the content of the input files and of every file that a setting names, models, recipes,
    calibrations, and the versions of what computes. Of a task of one's own it is the file, not what that imports.

    Args:
        models: the run, or those of a cascade.

    Raises:
        UsageError: if a file cannot be read.
    """
    last = models[-1]
    files = [file.path for file in last.survey.files]
    settings = config.model_dump(mode="json")
    said = {
        "settings": settings,
        "files": {path: _content(path) for path in (*files, *_files_named(settings))},
        "skipped": [file.path for file in last.survey.skipped],
        "models": [[one.recipe.as_dict(), one.model.model_dump(), _plain(one.calibration)] for one in models],
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def unchanged(output: Path, digest: str) -> Manifest | None:
    """The manifest of the run that an output holds, if that had this digest and another one could do no better."""
    try:
        manifest = read_manifest(output)
    except UsageError:
        return None
    may_change = manifest.incomplete or manifest.redrives or _TRANSIENT & set(manifest.counts.failed_by_class)
    if manifest.digest != digest or may_change:
        return None
    files = [(output / file.path, file.size_bytes) for file in (*manifest.results, *manifest.dead_letters)]
    is_whole = all(path.is_file() and path.stat().st_size == size for path, size in files)
    return manifest if is_whole else None


def _files_named(value: Any) -> Iterator[str]:
    """Files on this machine that a value names, the file of a task (FILE.py:NAME) included."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _files_named(one)
    elif isinstance(value, str) and 0 < len(value) < 4096 and "\0" not in value:
        yield from (name for name in {value, value.rpartition(":")[0]} if name and _is_file(name))


def _is_file(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except (OSError, RuntimeError):
        return False


def _content(path: str) -> str:
    try:
        if "://" in path:
            return str(FileSystems.checksum(path))
        with Path(path).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _plain(calibration: Any) -> Any:
    return calibration.model_dump(mode="json") if calibration else None
