"""One part of the completion store: what it is called, which columns it has, and how it is read.

Reading tells three things apart: a part that is whole, one that is damaged, and one that is gone, because a part that
has all of its completions has taken its place meanwhile (`pipeline.store_rewrite`).
"""

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from pipeline import metrics
from pipeline.elements import Completion
from pipeline.survey import READ_ERRORS, open_parquet

_LOG = logging.getLogger(__name__)

COMPLETION_SCHEMA = pa.schema(
    [
        pa.field("fingerprint", pa.binary(16), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("label_logprobs", pa.list_(pa.float64())),
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("cached_prompt_tokens", pa.int32(), nullable=False),
        pa.field("output_tokens", pa.int32(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("reasoning", pa.string()),
        pa.field("reasoning_tokens", pa.int32(), nullable=False),
    ]
)
ANSWER_COLUMNS = [name for name in COMPLETION_SCHEMA.names if name != "fingerprint"]


def new_name() -> str:
    """The name of a new part; names sort by age."""
    return f"part-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"


def merged_name(oldest: str) -> str:
    """A new name for the part that takes the place of several: it sorts where the name of their oldest does."""
    stem = "-".join(oldest.removesuffix(".parquet").split("-")[:3])
    return f"{stem}-{uuid.uuid4().hex[:8]}.parquet"


def is_merged(part: str) -> bool:
    """Whether a part, by its name or path, took the place of others."""
    name: str = FileSystems.split(part)[1]
    return name.count("-") > 2


@contextmanager
def open_part(path: str) -> Iterator[pq.ParquetFile]:
    """A part, open; its pages are held against their checksums as they are read.

    Raises:
        FileNotFoundError: if the part is not there any more, also while the block reads it.
        One of `READ_ERRORS`: if it is damaged or no part of a store, also while the block reads it.
    """
    try:
        with open_parquet(path, verify_pages=True) as part:
            if not part.schema_arrow.equals(COMPLETION_SCHEMA):
                raise pa.ArrowInvalid("its columns are not those of a completion")
            yield part
    except READ_ERRORS:
        if not FileSystems.exists(path):
            raise FileNotFoundError(f"{path} is not there any more") from None
        raise


def read_fingerprints(path: str) -> npt.NDArray[np.bytes_]:
    """The fingerprints of a part, in its order; none, and a warning, if it is damaged.

    Raises:
        FileNotFoundError: if the part is not there any more.
    """
    try:
        with open_part(path) as part:
            return fingerprints_of(part)
    except READ_ERRORS as error:
        _skip(path, error)
        return np.empty(0, "S16")


def fingerprints_of(part: pq.ParquetFile) -> npt.NDArray[np.bytes_]:
    """The fingerprints of an open part, in its order."""
    values = part.read(columns=["fingerprint"]).column(0).combine_chunks()
    return np.frombuffer(values.buffers()[1], "S16")[values.offset : values.offset + len(values)]


def read_rows_of(path: str, rows: Sequence[int]) -> Iterator[Completion]:
    """The completions at these rows of a part, which ascend; fewer, and a warning, if it is damaged.

    Raises:
        FileNotFoundError: if the part is not there any more.
    """
    wanted = np.asarray(rows, np.int64)
    try:
        with open_part(path) as part:
            sizes = [part.metadata.row_group(group).num_rows for group in range(part.num_row_groups)]
            for group, (size, end) in enumerate(zip(sizes, np.cumsum(sizes), strict=True)):
                start = end - size
                if len(those := wanted[(start <= wanted) & (wanted < end)]):
                    table = part.read_row_group(group, columns=ANSWER_COLUMNS)
                    yield from _completions(table.take(pa.array(those - start)))
    except READ_ERRORS as error:
        _skip(path, error)


def _completions(table: pa.Table) -> Iterator[Completion]:
    for text, logprobs, *rest in zip(*(table.column(name).to_pylist() for name in ANSWER_COLUMNS), strict=True):
        yield Completion(text, None if logprobs is None else tuple(logprobs), *rest)


def _skip(path: str, error: Exception) -> None:
    """Note that a part is damaged; one that is gone is not, and the error goes on."""
    if isinstance(error, FileNotFoundError):
        raise error
    _LOG.warning("skipping the damaged store part %s: %s", path, error)
    metrics.count(metrics.STORE_BAD_PARTS)
