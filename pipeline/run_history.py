"""The history of runs: `<store>/runs/<run id>.json`, one small file a run, on any of Beam's filesystems.

Run ids begin with the time of the start, so names sort by age. The folder is none of the store's recipes: the store's
upkeep leaves it alone.
"""

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from pydantic import ValidationError

from pipeline.errors import UsageError, first_line
from pipeline.gpus import visible_gpus
from pipeline.recipe import Recipe
from pipeline.whole_files import write_whole
from schemas.manifest import Manifest
from schemas.run_history import Host, RunEntry

_LOG = logging.getLogger(__name__)
_FOLDER = "runs"


def entry_of(
    manifest: Manifest,
    host: Host,
    means: Mapping[str, float] = MappingProxyType({}),
    shares: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> RunEntry:
    """What the history keeps of a run.

    Args:
        means, shares: of its answers, by column.
    """
    recipe = Recipe(**manifest.recipe)
    return RunEntry(
        run_id=manifest.run_id,
        started=manifest.started,
        finished=manifest.finished,
        task=recipe.task,
        task_version=recipe.task_version,
        model=manifest.model,
        scope=recipe.scope() + ("+cascade" if manifest.cascade else "") + ("+adapters" if recipe.adapters else ""),
        recipe_digest=manifest.recipe_digest,
        engine=dict(recipe.engine),
        engine_args=manifest.config.get("engine_args", {}),
        workers=manifest.config.get("workers"),
        output=_whole_path(manifest.config["output"]),
        host=host,
        counts=manifest.counts,
        tokens=manifest.tokens,
        seconds=manifest.seconds,
        rates=manifest.rates,
        incidents=manifest.incidents,
        means=dict(means),
        shares={name: dict(of) for name, of in shares.items()},
    )


def _whole_path(output: str) -> str:
    return output if "://" in output else str(Path(output).expanduser().absolute())


def record(store: str, entry: RunEntry) -> None:
    """Add a run to the history of a store. A run is complete without it: what is refused is logged, never raised."""
    try:
        folder = FileSystems.join(store, _FOLDER)
        if not FileSystems.exists(folder):
            FileSystems.mkdirs(folder)
        write_whole(FileSystems.join(folder, f"{entry.run_id}.json"), entry.model_dump_json(indent=2).encode())
    except (BeamIOError, OSError, ValueError) as error:
        _LOG.warning("the run is not in the history of %s: %s", store, first_line(error))


def read_history(store: str) -> list[RunEntry]:
    """All runs that a store knows of, oldest first; a record that cannot be read is skipped, and logged.

    Raises:
        UsageError: if the place cannot be looked at.
    """
    try:
        (match,) = FileSystems.match([FileSystems.join(store, _FOLDER, "*.json")])
    except (BeamIOError, ValueError) as error:
        raise UsageError(f"cannot look at the store {store}: {first_line(error)}") from None
    entries = [_read(found.path) for found in match.metadata_list]
    return sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.started)


def _read(path: str) -> RunEntry | None:
    try:
        with FileSystems.open(path) as stream:
            return RunEntry.model_validate_json(stream.read())
    except (BeamIOError, OSError, ValidationError) as error:
        _LOG.warning("skipping the record %s: %s", path, first_line(error))
        return None


@cache
def this_host() -> Host:
    """The machine this process runs on."""
    gpus = _gpus()
    return Host(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        device=gpus[0] if gpus else "cpu",
        devices=max(1, len(gpus)),
    )


def _cpu() -> str:
    """Source: proc_cpuinfo(5)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _gpus() -> list[str]:
    """The names of the GPUs that this process may use."""
    import pynvml

    try:
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in visible_gpus()]
    except pynvml.NVMLError:
        return []
