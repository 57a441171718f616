"""Data to try things on: real reviews, fetched by hash and read as data, and inputs of our own writing."""

import ast
import io
import json
import tarfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import RunError
from pipeline.fetch import Package, download
from pipeline.models import Say

_PACKAGE = Package(
    "vaderSentiment==3.3.2",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    source_archive=True,
)
_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_SETS = {"amazon": "amazonReviewSnippets", "movie": "movieReviewSnippets", "tweets": "tweets"}

REVIEW_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("text", pa.string()),
        pa.field("source", pa.string()),
        pa.field("human_rating", pa.float64()),
        pa.field("human_rating_std", pa.float64()),
        pa.field("human_ratings", pa.list_(pa.int8())),
    ]
)


def write_reviews(file: Path, sources: tuple[str, ...], say: Say) -> int:
    """Write product reviews, movie reviews and tweets, each rated by about 20 people on -4 … 4; returns how many.

    Source: C.J. Hutto and E. Gilbert, VADER, ICWSM 2014; 3,708 Amazon sentences, 10,605 movie snippets, 4,200 tweets
    (MIT licence).

    Raises:
        RunError: if they cannot be fetched or written.
    """
    say("fetching the rated reviews (2.5 MB)")
    with TemporaryDirectory() as folder:
        (package,) = download([_PACKAGE], Path(folder))
        rows = list(_rows(package, sources))
    _write(pa.Table.from_pylist(rows, REVIEW_SCHEMA), file)
    return len(rows)


def write_own(name: str, file: Path) -> int:
    """Write one of the inputs of our own writing (`jobs/data/NAME.jsonl`); returns how many rows.

    Raises:
        RunError: if it cannot be written.
    """
    lines = (files("jobs") / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    _write(pa.Table.from_pylist(rows), file)
    return len(rows)


def _write(table: pa.Table, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_name(f".{file.name}.tmp")
        pq.write_table(table, scratch, compression="zstd")
        scratch.rename(file)
    except OSError as error:
        raise RunError(f"cannot write {file}: {error}") from None


def _rows(package: Path, sources: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    with tarfile.open(package) as outer:
        inner = outer.extractfile(_ARCHIVE)
        if inner is None:
            raise RunError(f"{package.name} does not hold {_ARCHIVE}")
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:
            for source in sources:
                texts = _lines(archive, f"{_SETS[source]}_GroundTruth.txt")
                ratings = {line[0]: line[2:] for line in _lines(archive, f"{_SETS[source]}_anonDataRatings.txt")}
                for key, mean, text in texts:
                    spread, single = ratings[key]
                    yield {
                        "id": f"{source}-{key}",
                        "text": text,
                        "source": source,
                        "human_rating": float(mean),
                        "human_rating_std": float(spread),
                        "human_ratings": ast.literal_eval(single),
                    }


def _lines(archive: tarfile.TarFile, name: str) -> Iterator[list[str]]:
    """The tab-separated fields of each line of a member."""
    member = archive.extractfile(f"hutto_ICWSM_2014/{name}")
    if member is None:
        raise RunError(f"the archive does not hold {name}")
    for line in io.TextIOWrapper(member, encoding="utf-8-sig", errors="replace", newline="\n"):
        yield line.rstrip("\r\n").split("\t")
