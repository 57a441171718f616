"""What went wrong row by row, as codes: 1 where it did, 0 where not, unknown where that is no question."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.comparing.answer_columns import UNKNOWN, Codes
from schemas.envelope import Status


def failed_rows(status: pa.ChunkedArray) -> Codes:
    """Which rows failed."""
    return _codes(pc.equal(status, Status.FAILED))


def empty_answers(column: pa.ChunkedArray, status: pa.ChunkedArray) -> Codes:
    """Which of the ok rows have no value in a column; the others are unknown."""
    return np.where(failed_rows(status) == 0, _codes(pc.is_null(column)), UNKNOWN)


def failed_checks(checks: pa.ChunkedArray) -> dict[str, Codes]:
    """Check → which rows failed it; those that have none of that name are unknown."""
    found: dict[str, Codes] = {}
    start = 0
    for chunk in checks.chunks:
        rows = start + pc.list_parent_indices(chunk).to_numpy()
        flat = pc.list_flatten(chunk)
        names, passed = flat.field("name"), flat.field("passed").to_numpy(zero_copy_only=False)
        for name in pc.unique(names).to_pylist():
            of_this = pc.equal(names, name).to_numpy(zero_copy_only=False)
            codes = found.setdefault(name, np.full(len(checks), UNKNOWN, np.int64))
            codes[rows[of_this]] = ~passed[of_this].astype(bool)
        start += len(chunk)
    return found


def _codes(flags: pa.ChunkedArray) -> Codes:
    return np.asarray(pc.fill_null(pc.cast(flags, pa.int64()), UNKNOWN).to_numpy())
