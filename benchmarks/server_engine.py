"""How much of the speed of the engine in this process a vLLM server on this machine has, in interleaved pairs.

Both sides run the same job with a fresh store, one on the engine in its process, one against a server that
`textmill serve`'s code starts for it. The figure is requests/s without engine start, server over here.

    python benchmarks/server_engine.py --model smollm2-135m --task sentiment --rows 500 --pairs 3
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asked import TASK_OPTIONS, write_input
from measure import Figures, in_a_process, interleaved, report

_HERE = Path(__file__).resolve()


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="sentiment", choices=list(TASK_OPTIONS))
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--one", choices=list(_SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        if args.one:
            print(json.dumps(_SIDES[args.one](args, Path(folder))))
            return
        file = write_input(Path(folder) / "in.parquet", args.task, args.rows)
        same = ("--model", args.model, "--task", args.task, "--input", file)
        pairs = interleaved(list(_SIDES), args.pairs, lambda side: in_a_process(_HERE, "--one", side, *same))
    series = {f"{side} requests/s": [pair[side]["requests_per_second"] for pair in pairs] for side in _SIDES}
    here, server = series.values()
    series["server / here"] = [one / other for one, other in zip(server, here, strict=True)]
    title = f"{args.task}, {args.model}, {args.rows} unique rows, {args.pairs} interleaved pairs, engine start apart"
    report(_HERE, title, series, model=args.model, task=args.task, rows=args.rows)


def _job(args: argparse.Namespace, folder: Path, **engine: Any) -> Figures:
    """From the first row read to the last one written, engine start apart."""
    from jobs.config import JobConfig
    from jobs.run import run_job
    from jobs.terminal import own_terminal

    config = JobConfig(
        task=args.task,
        model=args.model,
        inputs=(str(args.input),),
        output=str(folder / "out"),
        store=str(folder / "store"),
        options=TASK_OPTIONS[args.task],
        **engine,
    )
    with own_terminal(quiet=True) as terminal:
        manifest = run_job(config, terminal)
    seconds = manifest.seconds["pipeline"] - manifest.seconds["engine_start"]
    return {"requests_per_second": manifest.counts.sent / seconds}


def _served_job(args: argparse.Namespace, folder: Path) -> Figures:
    """The same against a server, which is up before and down after."""
    from jobs.serving import ServerSettings, serving

    with serving(ServerSettings(args.model, port=0), folder / "server.log", lambda message: None) as server:
        return _job(args, folder, engine="server", endpoint=(server.url,))


_SIDES = {"here": _job, "server": _served_job}


if __name__ == "__main__":
    main()
