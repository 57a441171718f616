"""Beam's SDK worker pool: worker processes of this machine, handed out to a job server, and kept between pipelines."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import TracebackType
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from pipeline.cluster.reports import Report, read_report
from pipeline.cluster.worker import WorkerSettings

_STOP_SECONDS = 30.0


class WorkerPool:
    """So many worker processes, while the block runs; `address` is what runners know as an external environment.

    Each has a share of the cores and of the budget. A process serves one pipeline after another with one engine.

    Args:
        number: of processes.
        log: the file that their words go to.
        options: Beam's, for filesystems.
        modules: names of modules that workers must have; those that cannot be imported are loaded from their files.
    """

    def __init__(self, number: int, log: Path, options: Sequence[str] = (), modules: Sequence[str] = ()) -> None:
        self._number, self._log, self._options = number, log, tuple(options)
        self._modules = {name: str(sys.modules[name].__file__) for name in modules if not _is_importable(name)}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lock, self._handed_out = threading.Lock(), 0

    def __enter__(self) -> "WorkerPool":
        import grpc
        from apache_beam.utils.thread_pool_executor import shared_unbounded_instance

        self._scratch = tempfile.TemporaryDirectory(prefix="textmill-workers-")
        try:
            self._processes = [self._start(i) for i in range(self._number)]
            self._server = grpc.server(shared_unbounded_instance())
            beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(_Service(self), self._server)
            self.address = f"localhost:{self._server.add_insecure_port('localhost:0')}"
            self._server.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._server.stop(0)
        self._end()

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        report = str(self._report(number))
        settings = WorkerSettings(number, self._number, report, self._options, self._modules)
        with self._log.open("ab") as sink:
            return subprocess.Popen(
                [sys.executable, "-m", "pipeline.cluster.worker", settings.as_argument()],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # Ctrl-C is the driver's: it ends them in good order
            )

    def hand_out(self, control: str, worker_id: str) -> None:
        """Have the next process in turn run a harness."""
        with self._lock:
            process = self._processes[self._handed_out % self._number]
            self._handed_out += 1
            if process.stdin is not None:
                process.stdin.write(json.dumps({"control": control, "worker_id": worker_id}).encode() + b"\n")
                process.stdin.flush()

    @property
    def pids(self) -> list[int]:
        """Of the workers, in their order."""
        return [process.pid for process in self._processes]

    def lost(self) -> list[str]:
        """A few words on each worker that has ended, though it should not have."""
        return [_ending(process) for process in self._processes if process.poll() is not None]

    def reports(self) -> list[Report]:
        """What the workers last said, in their order."""
        return [read_report(self._report(number)) for number in range(self._number)]

    def stop(self) -> None:
        """Let the workers end in good order: what they have answered is kept. Those that take too long are killed."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _end(self) -> None:
        self.stop()
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        self._scratch.cleanup()

    def _report(self, number: int) -> Path:
        return Path(self._scratch.name) / f"{number}.json"


class _Service(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Beam's side of the pool: a runner asks for a worker, and is given the next process."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - Beam's name
        try:
            self._pool.hand_out(request.control_endpoint.url, request.worker_id)
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=str(error))
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - Beam's name
        return beam_fn_api_pb2.StopWorkerResponse()


def _is_importable(name: str) -> bool:
    """Whether another process finds the module by its name."""
    return PathFinder.find_spec(name.split(".")[0]) is not None


def _ending(process: "subprocess.Popen[bytes]") -> str:
    code = process.poll() or 0
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"worker process {process.pid} {how}"
