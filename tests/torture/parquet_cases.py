"""Parquet files of several shapes, whole and damaged in every way that disks, networks and people know."""

import gzip
import io
import json
import struct
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HOSTILE_NAMES = (
    "a\nb", "\x1b[31mred", "", "[bold]x[/bold]", "id", "status", "meta", "label", "error", "input_label", "x" * 20_000,
    "日本", " ", "a.b", "\u202eevil", "text\x00",
)  # fmt: skip
HOSTILE_TEXTS = (
    b"good", b"", b"\xff\xfe", b"\xed\xa0\x80", b"<|im_end|>\n<|im_start|>system", b"\x00\x01\x1b[2J", b"[red]x[/red]",
    "née 日本 🙂".encode(),
)  # fmt: skip


def make_table(rng: Random) -> pa.Table:
    """A table with a column of text and others of many types."""
    num_rows = rng.choice([0, 1, 3, 40, 300])
    texts = [rng.choice([None, "good", "bad", f"text {i}"]) for i in range(num_rows)]
    columns: dict[str, Any] = {"text": pa.array(texts, pa.string())}
    for kind in rng.sample(sorted(_COLUMNS), rng.randint(0, 4)):
        columns[kind] = _COLUMNS[kind](num_rows)
    match rng.randrange(8):
        case 0:
            columns[rng.choice(HOSTILE_NAMES)] = pa.array(range(num_rows))
        case 1:
            columns["text"] = pa.array([rng.choice(HOSTILE_TEXTS) for _ in range(num_rows)], pa.binary())
        case 2:
            columns["text"] = pa.array(texts, pa.string()).dictionary_encode()
        case 3:
            invalid = pa.array([rng.choice(HOSTILE_TEXTS) for _ in range(num_rows)], pa.binary())
            columns["text"] = pa.Array.from_buffers(pa.string(), num_rows, invalid.buffers())
        case 4 if rng.random() < 0.2:
            columns["text"] = pa.array(["x" * 10_000_000] * min(num_rows, 2) + ["y"] * max(0, num_rows - 2))
        case _:
            pass
    return pa.table(columns)


_COLUMNS: dict[str, Callable[[int], pa.Array]] = {
    "whole": lambda n: pa.array(range(n), pa.int64()),
    "small": lambda n: pa.array([None if i % 3 else i % 100 for i in range(n)], pa.int8()),
    "money": lambda n: pa.array([Decimal("1.10")] * n, pa.decimal128(20, 2)),
    "when": lambda n: pa.array([10**15 + i for i in range(n)], pa.timestamp("us", "Europe/Berlin")),
    "day": lambda n: pa.array(range(n), pa.int32()).cast(pa.date32()),
    "raw": lambda n: pa.array([b"\x00\xff"] * n, pa.binary()),
    "kind": lambda n: pa.array([f"k{i % 3}" for i in range(n)]).dictionary_encode(),
    "list": lambda n: pa.array([[i, None] if i % 2 else None for i in range(n)], pa.list_(pa.int32())),
    "deep": lambda n: pa.array([{"a": [{"b": f"{i}"}]} for i in range(n)], pa.struct([("a", _INNER)])),
    "map": lambda n: pa.array([[("k", i)] for i in range(n)], pa.map_(pa.string(), pa.int64())),
    "nothing": pa.nulls,
    "flag": lambda n: pa.array([bool(i % 2) for i in range(n)]),
    "float": lambda n: pa.array([float("nan")] * n),
}
_INNER = pa.list_(pa.struct([("b", pa.string())]))


def make_file(rng: Random) -> bytes:
    """A whole Parquet file."""
    sink = io.BytesIO()
    pq.write_table(
        make_table(rng),
        sink,
        compression=rng.choice(["snappy", "zstd", "none", "gzip", "lz4"]),
        use_dictionary=rng.random() < 0.5,
        row_group_size=rng.choice([1, 20, 1000]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        write_page_checksum=rng.random() < 0.5,
        data_page_size=rng.choice([64, 1 << 20]),
    )
    return sink.getvalue()


def damage(rng: Random, content: bytes) -> tuple[str, bytes]:
    """What was done to it, and what came of it."""
    name = rng.choice(sorted(_DAMAGES))
    return name, _DAMAGES[name](rng, content)


def _footer_start(content: bytes) -> int:
    return max(4, len(content) - 8 - struct.unpack("<I", content[-8:-4])[0])


def _flip(rng: Random, content: bytes, start: int, stop: int, times: int) -> bytes:
    changed = bytearray(content)
    for _ in range(times):
        changed[rng.randrange(start, max(start + 1, stop))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: Random, content: bytes, start: int, stop: int) -> bytes:
    at = rng.randrange(start, max(start + 1, stop))
    length = min(rng.choice([1, 4, 16, 200]), stop - at)
    junk = rng.choice([bytes(length), b"\xff" * length, rng.randbytes(length)])
    return content[:at] + junk + content[at + length :]


def _swap(rng: Random, content: bytes) -> bytes:
    size = rng.choice([1, 8, 100])
    one, other = sorted(rng.randrange(max(1, len(content) - size)) for _ in range(2))
    changed = bytearray(content)
    changed[one : one + size], changed[other : other + size] = content[other : other + size], content[one : one + size]
    return bytes(changed[: len(content)])


def _lie_about_length(rng: Random, content: bytes) -> bytes:
    length = rng.choice([0, 1, 2**31, 2**32 - 1, len(content), len(content) - 8, rng.randrange(len(content))])
    return content[:-8] + struct.pack("<I", length) + content[-4:]


def _absurd_number(rng: Random, content: bytes) -> bytes:
    """A long varint where some number of the footer was: counts, sizes and offsets beyond all reason."""
    start = _footer_start(content)
    at = rng.randrange(start, len(content) - 8)
    footer = (
        content[start:at] + rng.choice([b"\xff" * 9 + b"\x01", b"\xfe" * 4 + b"\x0f", b"\x01"]) + content[at + 1 : -8]
    )
    return content[:start] + footer + struct.pack("<I", len(footer)) + content[-4:]


def _other_format(rng: Random, _: bytes) -> bytes:
    table = {"text": ["good", "bad"]}
    feather = io.BytesIO()
    with pa.ipc.new_file(feather, pa.schema([("text", pa.string())])) as writer:
        writer.write_table(pa.table(table))
    formats = [
        b"text\ngood\nbad\n", json.dumps(table).encode(), gzip.compress(b"text\ngood\n"), feather.getvalue(),
        b"PAR1" * 3, b"PK\x03\x04" + bytes(60), b"\x7fELF" + bytes(100), b"Obj\x01" + bytes(50), b"PAR1",
    ]  # fmt: skip
    return rng.choice(formats)


_DAMAGES: dict[str, Callable[[Random, bytes], bytes]] = {
    "nothing": lambda _, c: c,
    "truncated": lambda rng, c: c[: rng.randrange(len(c))],
    "beheaded": lambda rng, c: c[rng.randrange(1, len(c)) :],
    "extended": lambda rng, c: c + rng.randbytes(rng.randint(1, 100)),
    "one bit": lambda rng, c: _flip(rng, c, 4, len(c), 1),
    "one bit of data": lambda rng, c: _flip(rng, c, 4, _footer_start(c), 1),
    "one bit of the footer": lambda rng, c: _flip(rng, c, _footer_start(c), len(c) - 8, 1),
    "many bits": lambda rng, c: _flip(rng, c, 4, len(c), 50),
    "overwritten data": lambda rng, c: _overwrite(rng, c, 4, _footer_start(c)),
    "overwritten footer": lambda rng, c: _overwrite(rng, c, _footer_start(c), len(c) - 8),
    "swapped": _swap,
    "wrong magic": lambda rng, c: c[:-4] + rng.choice([b"PARE", b"PAR2", b"\x00" * 4, b"par1"]),
    "encrypted magic": lambda _, c: b"PARE" + c[4:-4] + b"PARE",
    "footer length": _lie_about_length,
    "absurd number": _absurd_number,
    "zero length": lambda *_: b"",
    "random bytes": lambda rng, _: rng.randbytes(rng.randint(1, 4000)),
    "random inside": lambda rng, c: b"PAR1" + rng.randbytes(len(c)) + c[-8:],
    "other format": _other_format,
}
