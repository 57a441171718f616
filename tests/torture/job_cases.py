"""Job files: valid ones, and what becomes of them under careless hands."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

VALID: dict[str, Any] = {
    "task": "sentiment", "inputs": ["in"], "output": "out", "engine": "scripted", "store": "store",
    "text": "text", "id": "key", "limit": 5, "sample": 5, "seed": 1, "max_failed": "90%", "on_too_long": "fail",
    "context_tokens": 4096, "request_seconds": 60.0, "require": [], "engine_args": {"max_num_seqs": 4},
    "columns": {"text": "text"}, "options": {"labels": ["positive", "negative"]}, "prompt_form": "chat",
    "reasoning_tokens": 10, "keep_reasoning": False, "skip_bad_files": True, "model": "qwen2.5-0.5b",
}  # fmt: skip
_NEEDED = ("task", "inputs", "output", "engine", "store")
_VALUES: tuple[Any, ...] = (
    "", "\x00", "a\nb", "x" * 5000, "[bold]", "nope", "../in", ".", "in/rows.parquet", "s3://bucket/x", "x://y",
    "~nobody/x", "nan", "1e400", "5%%", "-5%", "inf", "in/*", "in/[", "in/**", "**", "tests/x.py:TASK", "x.py:", ":",
    "in\u202e", 0, -1, 10**18, 2**63 - 1, 1.5, -0.5, 1e308, True, [], [""], ["\x00"], [[]], ["in", "in"], ["a"] * 300,
    [1, "a"], {}, {"a": {"b": 1}}, {"": ""},
)  # fmt: skip
_RAW = ("inf", "nan", "-nan", "1" + "0" * 31, "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "0xff", "9" * 5000)


def make_job(rng: Random) -> tuple[str, bytes]:
    """What was done to a valid job file, and what came of it."""
    job = {key: VALID[key] for key in _NEEDED}
    job |= {key: VALID[key] for key in rng.sample(sorted(set(VALID) - set(_NEEDED)), rng.randint(0, 4))}
    name = rng.choice(sorted(_CHANGES))
    return name, _CHANGES[name](rng, job)


def _dump(job: dict[str, Any]) -> bytes:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in job.items()]
    return "\n".join(lines).encode() + b"\n"


def _key(key: str) -> str:
    return json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return value.decode() if isinstance(value, bytes) else json.dumps(value)


def _other_value(rng: Random, job: dict[str, Any]) -> bytes:
    return _dump({**job, rng.choice(sorted(VALID)): rng.choice(_VALUES)})


def _raw_value(rng: Random, job: dict[str, Any]) -> bytes:
    return _dump({**job, rng.choice(sorted(VALID)): rng.choice(_RAW).encode()})


def _option(rng: Random, job: dict[str, Any]) -> bytes:
    name = rng.choice(["labels", "instruction", "aspect_names", "nope", "aspects"])
    return _dump({**job, "options": {name: rng.choice(_VALUES)}})


def _unknown_key(rng: Random, job: dict[str, Any]) -> bytes:
    key = rng.choice(["inptus", "", "a\nb", "[bold]", "x" * 3000, "task.name", "\x1b[2J"])
    return _dump({**job, key: 1})


def _missing_key(rng: Random, job: dict[str, Any]) -> bytes:
    del job[rng.choice(sorted(job))]
    return _dump(job)


def _spoilt_text(rng: Random, job: dict[str, Any]) -> bytes:
    content = bytearray(_dump(job))
    for _ in range(rng.choice([1, 3, 20])):
        at = rng.randrange(len(content))
        content[at] = rng.choice(b'"=[]{}\\#\n\x00\xff\xc3aZ9 .,')
    return bytes(content)


_CHANGES: dict[str, Callable[[Random, dict[str, Any]], bytes]] = {
    "nothing": lambda _, job: _dump(job),
    "other value": _other_value,
    "other values": lambda rng, job: _other_value(rng, {**job, rng.choice(sorted(VALID)): rng.choice(_VALUES)}),
    "raw value": _raw_value,
    "option": _option,
    "unknown key": _unknown_key,
    "missing key": _missing_key,
    "spoilt text": _spoilt_text,
    "truncated": lambda rng, job: (c := _dump(job))[: rng.randrange(len(c))],
    "twice": lambda _, job: _dump(job) * 2,
    "binary": lambda rng, _: rng.randbytes(rng.randint(0, 500)),
    "nested": lambda rng, _: b"a = " + b"[" * (n := rng.choice([10, 100_000])) + b"]" * n,
    "byte order": lambda _, job: _dump(job).decode().encode("utf-16"),
}
