"""Beam's portable job server in a process of its own: `python -m pipeline.cluster.job_server`.

It says its port on standard output, and ends when standard input does: a driver that is killed leaves none behind.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from pipeline.errors import RunError

_STOP_SECONDS = 5.0


class JobServer:
    """The server's process, while the block runs; `address` is where jobs are submitted.

    Args:
        log: the file that its words go to.

    Raises:
        RunError: if it does not start.
    """

    def __init__(self, log: Path) -> None:
        self._log = log

    def __enter__(self) -> "JobServer":
        with self._log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
            )
        port = self._process.stdout.readline() if self._process.stdout else b""
        if not port.strip().isdigit():
            self._process.kill()
            self._process.wait()
            raise RunError("Beam's job server does not start", f"log: {self._log}")
        self.address = f"localhost:{int(port)}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    @property
    def pid(self) -> int:
        """Of the server."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None


def main() -> None:
    """Serve until standard input ends."""
    from apache_beam.runners.portability.local_job_service import LocalJobServicer

    from pipeline.cluster.jobs import ParallelJob

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    server = LocalJobServicer(beam_job_type=ParallelJob)
    print(server.start_grpc_server(), flush=True)  # noqa: T201 - the port is what this program says
    sys.stdin.read()
    server.stop()
    os._exit(0)


if __name__ == "__main__":
    main()
