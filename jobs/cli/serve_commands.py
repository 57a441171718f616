"""`textmill serve`."""

import os
import shlex
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from jobs.settings import parse_engine_args


def serve(
    model: Annotated[str, typer.Option(help="Catalogue name, model folder, or Hugging Face id.")] = "qwen2.5-0.5b",
    revision: Annotated[str | None, typer.Option(help="Revision of a Hugging Face model.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where it listens; 0: a free port.")] = 8000,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in: see the key below.")] = "127.0.0.1",
    context_tokens: Annotated[
        int | None, typer.Option(min=256, help="Longest prompt and answer. [default: the model's entry, 4096]")
    ] = None,
    engine_arg: Annotated[
        list[str] | None, typer.Option(help="An argument of vLLM's by its own name, as NAME=VALUE; may be repeated.")
    ] = None,
) -> None:
    """Run a vLLM server on this machine, with Textmill's settings, until Ctrl-C.

    With TEXTMILL_API_KEY in the environment, requests to /v1 need that key; vLLM leaves other paths open, so let no
    strangers reach the port.
    """
    from jobs.serving import ServerSettings, serving
    from jobs.terminal import own_terminal
    from pipeline.models import home

    settings = ServerSettings(model, revision, host, port, context_tokens, parse_engine_args(engine_arg or []))
    log = home() / "logs" / f"serve-{port or f'process-{os.getpid()}'}.log"
    signal.signal(signal.SIGTERM, _interrupt)
    with own_terminal() as terminal, serving(settings, log, terminal.say) as server:
        print(f"serving {model} at {server.url}; log: {log}; Ctrl-C stops it", flush=True)
        flags = f"--engine server --endpoint {server.url} --model {shlex.quote(model)}"
        print(f"textmill sentiment INPUT.parquet OUTPUT {flags}", flush=True)
        try:
            code = server.process.wait()
        except KeyboardInterrupt:
            print("stopping", flush=True)
            return
    _ended(code, log)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def _ended(code: int, log: Path) -> NoReturn:
    from pipeline.errors import RunError

    raise RunError(f"vLLM ended by itself (code {code})", f"log: {log}")


def add_serve_commands(app: typer.Typer) -> None:
    """`serve`."""
    app.command("serve")(serve)
