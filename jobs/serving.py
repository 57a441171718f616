"""A vLLM server on this machine, with our settings: started, waited for, and stopped with all that it started."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.engines.server.client import API_KEY_VARIABLE, api_key
from pipeline.engines.vllm_settings import vllm_version
from pipeline.errors import RunError, UsageError
from pipeline.models import DEFAULT_CONTEXT_TOKENS, Say, resolve_model

_START_SECONDS = 900.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class ServerSettings:
    """What to serve, and where.

    Attributes:
        model: catalogue name, folder or hub id; also the id under which it is served.
        host, port: where it listens; port 0: a free one.
        context_tokens: longest prompt and answer; None: the model's entry.
        engine_args: vLLM's own arguments.
    """

    model: str
    revision: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    context_tokens: int | None = None
    engine_args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LocalServer:
    """A server that runs.

    Attributes:
        url: its endpoint.
        process: its first process, the leader of a group of its own.
    """

    url: str
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """End it, in good order if it will, and whatever it has started for certain."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        _kill_group(self.process.pid)
        self.process.wait()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@contextmanager
def serving(
    settings: ServerSettings, log: Path, say: Say, clock: Callable[[], float] = time.monotonic
) -> Iterator[LocalServer]:
    """A server for as long as the block runs, ready when it begins.

    Args:
        log: gets what vLLM has to say.

    Raises:
        UsageError: if the port is taken.
        RunError: if vLLM does not start.
    """
    vllm_version()
    model = resolve_model(settings.model, settings.revision, say)
    port = _free_port(settings.host, settings.port)
    say(f"starting vLLM on port {port}")
    needs = {
        "context_tokens": settings.context_tokens or model.context_tokens or DEFAULT_CONTEXT_TOKENS,
        "model_folder": str(model.folder),
        "arguments": dict(settings.engine_args),
    }
    flags = [f"--host={settings.host}", f"--port={port}", f"--served-model-name={settings.model}", *_FLAGS]
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pipeline.engines.vllm_server", json.dumps({"needs": needs, "flags": flags})]
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=_environment(), start_new_session=True
        )
    server = LocalServer(f"http://{_reachable(settings.host)}:{port}/v1", process)
    try:
        _wait_until_ready(server, log, clock)
        yield server
    finally:
        server.stop()


_FLAGS = ("--enable-prompt-tokens-details", "--disable-uvicorn-access-log", "--generation-config=vllm")


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    environment["VLLM_LOGGING_LEVEL"] = environment.get("VLLM_LOGGING_LEVEL", "WARNING")
    environment.setdefault("VLLM_CONFIGURE_LOGGING", "1")
    environment.pop(API_KEY_VARIABLE, None)
    if key := api_key():
        environment["VLLM_API_KEY"] = key
    return environment


def _free_port(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host} port {port}: {error.strerror}", "choose another --port"
            ) from None
        found: int = probe.getsockname()[1]
        return found


def _reachable(host: str) -> str:
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked for by name
    return f"[{own}]" if ":" in own else own


def _wait_until_ready(server: LocalServer, log: Path, clock: Callable[[], float]) -> None:
    deadline = clock() + _START_SECONDS
    health = server.url.removesuffix("/v1") + "/health"
    ours = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while clock() < deadline:
        if server.process.poll() is not None:
            raise RunError(f"vLLM did not start: {_last_error(log)}", f"log: {log}")
        try:
            with ours.open(health, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise RunError(f"vLLM was not ready after {_START_SECONDS:.0f} s", f"log: {log}")


def _last_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "error:" in line]
    return (errors or lines or ["it gave no reason"])[-1][:300]
