"""`vllm serve` with our settings: run as a program by `textmill serve`; every process of it ends when its parent does.

vLLM starts its processes anew and has each import this module again: so each of them gets our kernels.
"""

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.engines.base import EngineNeeds
from pipeline.engines.cpu_kernels import register_cpu_kernels
from pipeline.engines.vllm_settings import compile_as_asked, make_ready

_PR_SET_PDEATHSIG = 1


def flags(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Engine arguments, by their own names, as flags of vLLM's command line."""
    for name, value in arguments.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        elif value is not None:
            yield f"--{flag}={json.dumps(value) if isinstance(value, dict | list) else value}"


def _end_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _main(arguments: Mapping[str, Any], server_flags: list[str]) -> None:
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    model = arguments["model"]
    rest = {name: value for name, value in arguments.items() if name not in ("model", "reasoning_parser")}
    sys.argv[:] = ["vllm", "serve", str(model), *flags(rest), *server_flags]
    args = make_arg_parser(FlexibleArgumentParser()).parse_args(sys.argv[2:])
    validate_parsed_serve_args(args)
    ServeSubcommand.cmd(args)


if __name__ in ("__main__", "__mp_main__"):
    _end_with_parent()
    if __name__ == "__main__":
        asked = json.loads(sys.argv[1])
        _main(make_ready(EngineNeeds(run_id="", **asked["needs"])), asked["flags"])
    else:
        from vllm.platforms import current_platform

        if current_platform.is_cpu():
            eager = "--enforce-eager" in sys.argv
            if eager:
                register_cpu_kernels()
            compile_as_asked({"enforce_eager": eager}, on_cpu=True)
