"""How a vLLM server on this machine compares with the engine in this process: speed in interleaved pairs, and answers.

Both sides run the same job with a fresh store, one on the engine in its process, one against a server that
`textmill serve`'s code starts for it. The figure is requests/s without engine start, server over here. Of the last pair
the answers are compared: equal labels and the largest difference of a probability, or equal texts and the chrF of one
side's texts against the other's.

    python benchmarks/server_engine.py --model smollm2-135m --task sentiment --rows 500 --pairs 3
"""

import argparse
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from asked import compare, job
from measure import Figures


def _here(args: argparse.Namespace, folder: Path) -> Figures:
    return _kept(args, folder, "here")


def _server(args: argparse.Namespace, folder: Path) -> Figures:
    """The job against a server, which is up before and down after."""
    from jobs.serving import ServerSettings, serving

    with serving(ServerSettings(args.model, port=0), folder / "server.log", lambda message: None) as server:
        return _kept(args, folder, "server", engine="server", endpoint=(server.url,))


def _kept(args: argparse.Namespace, folder: Path, side: str, **engine: Any) -> Figures:
    figures = job(args, folder, **engine)
    pq.write_table(ds.dataset(folder / "out" / "results").to_table(), args.input.parent / f"{side}.parquet")
    return figures


def _agreement(folder: Path) -> Figures:
    here, server = (pq.read_table(folder / f"{side}.parquet") for side in ("here", "server"))
    if "label" in here.column_names:
        probabilities = [name for name in here.column_names if name.startswith("p_")]
        return {
            "equal labels, share": _share_equal(here["label"].to_pylist(), server["label"].to_pylist()),
            "largest difference of p, in millionths": 1e6 * max(_largest(here[p], server[p]) for p in probabilities),
        }
    from sacrebleu import corpus_chrf

    texts = [_texts(table) for table in (here, server)]
    return {
        "equal answers, share": _share_equal(*texts),
        "chrF, server against here": corpus_chrf(texts[1], [texts[0]]).score,
    }


def _texts(table: pa.Table) -> list[str]:
    """The answers; empty where there is none."""
    (name,) = {"translation", "body"} & set(table.column_names)
    return [text or "" for text in table[name].to_pylist()]


def _share_equal(one: list[str], other: list[str]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def _largest(one: pa.ChunkedArray, other: pa.ChunkedArray) -> float:
    both = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return max(float(abs(a - b)) for a, b in both if a is not None and b is not None)


_SIDES = {"server": _server, "here": _here}


if __name__ == "__main__":
    compare(Path(__file__).resolve(), __doc__, _SIDES, num_rows=500, num_pairs=3, agreement=_agreement)
