"""How much of the speed of the engine in this process a vLLM server on this machine has, in interleaved pairs.

Both sides run the same job with a fresh store, one on the engine in its process, one against a server that
`textmill serve`'s code starts for it. The figure is requests/s without engine start, server over here.

    python benchmarks/server_engine.py --model smollm2-135m --task sentiment --rows 500 --pairs 3
"""

import argparse
from pathlib import Path

from asked import compare, job
from measure import Figures


def _served_job(args: argparse.Namespace, folder: Path) -> Figures:
    """The job against a server, which is up before and down after."""
    from jobs.serving import ServerSettings, serving

    with serving(ServerSettings(args.model, port=0), folder / "server.log", lambda message: None) as server:
        return job(args, folder, engine="server", endpoint=(server.url,))


_SIDES = {"server": _served_job, "here": job}


if __name__ == "__main__":
    compare(Path(__file__).resolve(), __doc__, _SIDES, num_rows=500, num_pairs=3)
