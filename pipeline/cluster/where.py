"""Where a pipeline runs: in this process, on worker processes of this machine, or on one of Beam's runners."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from difflib import get_close_matches

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.errors import UsageError

RUNNERS = ("FlinkRunner", "SparkRunner", "DataflowRunner", "PortableRunner", "PrismRunner")
_DASK = "DaskRunner"
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


def choose_where(
    workers: int | None, runner: str | None, options: Sequence[str], bounds: Sequence[str], paths: Sequence[str]
) -> Where:
    """Where a run is to be, as it was asked for. Beam's filesystems know the options from then on.

    Args:
        bounds: names of the budget's bounds.
        paths: of inputs, output and store.

    Raises:
        UsageError: if that cannot be.
    """
    if workers and runner:
        raise UsageError("--workers are processes of this machine, --runner is another place", "give one of them")
    if runner is not None:
        _check_runner(runner)
        if counted := [name for name in bounds if name != "minutes"]:
            raise UsageError(f"a budget of {counted[0]} needs --workers or one process", "minutes hold everywhere")
        if runner == "DataflowRunner" and (here := [path for path in paths if "://" not in path]):
            raise UsageError(f"Dataflow's workers cannot see {here[0]}", "use gs:// for inputs, output and --store")
    for option in options:
        name = option.partition("=")[0]
        if name == "--runner":
            raise UsageError("--runner stands before --, not after", f"--runner {option.partition('=')[2] or 'NAME'}")
        if any(word in name for word in _SECRET):
            raise UsageError(f"{name} would be written into the manifest", "give secrets by the environment")
    FileSystems.set_options(_checked(options))
    return Where(workers or 0, runner, tuple(options))


def _checked(options: Sequence[str]) -> PipelineOptions:
    """Beam's options, read: argparse would print a page and end the process."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            found = PipelineOptions(list(options))
            found.get_all_options()
    except (SystemExit, ValueError) as error:
        last = (said.getvalue() or str(error)).strip().splitlines()[-1]
        raise UsageError(f"Beam does not take these options: {last.partition('error: ')[2] or last}") from None
    return found


def _check_runner(runner: str) -> None:
    if runner == _DASK:
        raise UsageError("Beam's DaskRunner loses rows without a word", "use --workers, or FlinkRunner on a cluster")
    if runner not in RUNNERS:
        near = get_close_matches(runner, RUNNERS, n=2) or RUNNERS
        raise UsageError(f"no runner {runner!r}", f"known are: {', '.join(near)}; on this machine use --workers")
