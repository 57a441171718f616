"""Where a pipeline runs: in this process, on worker processes of this machine, or on one of Beam's runners."""

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.errors import UsageError

RUNNERS = ("FlinkRunner", "SparkRunner", "DataflowRunner", "PortableRunner", "PrismRunner")
_DASK = "DaskRunner"
_PATTERN = re.compile(r"[\[?*]")
_SECRET = ("secret", "access_key", "session_token", "password", "connection_string")


@dataclass(frozen=True)
class Where:
    """Where to run.

    Attributes:
        workers: so many worker processes of this machine; 0: this process, unless there is a runner.
        runner: the name of one of Beam's runners, if it is to be one of those.
        options: Beam's own pipeline options.
    """

    workers: int = 0
    runner: str | None = None
    options: tuple[str, ...] = ()

    @property
    def shares_memory(self) -> bool:
        """Whether all steps are in this process."""
        return not self.workers and self.runner is None


@dataclass(frozen=True)
class Paths:
    """What a run reads and writes."""

    inputs: tuple[str, ...]
    output: str
    store: str


def choose_where(
    workers: int | None, runner: str | None, options: Sequence[str], bounds: Sequence[str], paths: Paths
) -> Where:
    """Where a run is to be, as it was asked for. Beam's filesystems know the options from then on.

    Args:
        bounds: names of the budget's bounds.

    Raises:
        UsageError: if that cannot be.
    """
    if workers and runner:
        raise UsageError("--workers are processes of this machine, --runner is another place", "give one of them")
    _check_paths(paths, runner)
    if runner is not None:
        _check_runner(runner)
        if counted := [name for name in bounds if name != "minutes"]:
            raise UsageError(f"a budget of {counted[0]} needs --workers or one process", "minutes hold everywhere")
    for option in options:
        name = option.partition("=")[0]
        if name == "--runner":
            raise UsageError("--runner stands before --, not after", f"--runner {option.partition('=')[2] or 'NAME'}")
        if runner is None and name.startswith("--direct_"):
            raise UsageError(f"{name} is Textmill's to set", "for more processes use --workers")
        if any(word in name for word in _SECRET):
            raise UsageError(f"{name} would be written into the manifest", "give secrets by the environment")
    FileSystems.set_options(_checked(tuple(options)))
    where = Where(workers or 0, runner, tuple(options))
    if runner is not None:
        new_pipeline(where)  # what Beam says against it, it says now
    return where


def new_pipeline(where: Where) -> beam.Pipeline:
    """An empty pipeline for one of Beam's runners.

    Raises:
        UsageError: if Beam cannot make the runner, or does not take its options.
    """
    try:
        options = PipelineOptions([f"--runner={where.runner}", *where.options], pipeline_type_check=False)
        return beam.Pipeline(options=options)
    except (ImportError, ValueError, SystemExit) as error:
        raise UsageError(f"Beam cannot make a {where.runner}: {' '.join(str(error).split())}") from None


@cache
def _checked(options: tuple[str, ...]) -> PipelineOptions:
    """Beam's options, read, once in a process: argparse would print a page and end it."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            found = PipelineOptions(list(options))
            found.get_all_options()
    except (SystemExit, ValueError) as error:
        last = (said.getvalue() or str(error)).strip().splitlines()[-1]
        raise UsageError(f"Beam does not take these options: {last.partition('error: ')[2] or last}") from None
    return found


def _check_paths(paths: Paths, runner: str | None) -> None:
    """Beam reads `[ ? *` in a path as a pattern wherever it lists or deletes, and there is no way to quote them."""
    if paths.output.startswith("hdfs://"):
        raise UsageError("Beam cannot list the folders of an output on HDFS", "use a disk that all see, s3:// or gs://")
    for path, matters in ((paths.output, "://" in paths.output or runner is not None), (paths.store, True)):
        if matters and (found := _PATTERN.search(path)):
            raise UsageError(f"{path} has a {found[0]!r}, which Beam reads as a pattern", "choose another name")
    if runner == "DataflowRunner":
        for path in (*paths.inputs, paths.output, paths.store):
            if "://" not in path:
                raise UsageError(f"Dataflow's workers cannot see {path}", "use gs:// for inputs, output and --store")


def _check_runner(runner: str) -> None:
    if runner == _DASK:
        raise UsageError("Beam's DaskRunner loses rows without a word", "use --workers, or FlinkRunner on a cluster")
    if runner not in RUNNERS:
        near = get_close_matches(runner, RUNNERS, n=2) or RUNNERS
        raise UsageError(f"no runner {runner!r}", f"known are: {', '.join(near)}; on this machine use --workers")
