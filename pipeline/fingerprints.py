"""The names of requests: equal exactly when what is asked, and of which model, is equal."""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache

from pipeline.decoding import Decoding, describe
from pipeline.prompts import BLOCK_TOKENS, Border, Pad, Parts, Segment, Text, plain, shape_of, texts_of
from pipeline.rendering import Frame

HEAD_BYTES = 8


def fingerprint(scope: str, segments: Sequence[Segment], decoding: Decoding) -> bytes:
    """The name of a request whose prompt is in one piece (`fingerprint_in_frame`)."""
    return fingerprint_in_frame(scope, Frame(shape_of(segments)), texts_of(segments), decoding)


def fingerprint_in_frame(scope: str, frame: Frame, texts: Sequence[Text], decoding: Decoding) -> bytes:
    """16 bytes that name a request: equal exactly when scope, rendered prompt and decoding are equal.

    The first half names the prompt's head, up to its last row text or border: requests that share it, several questions
    about one text, are grouped by it and reach the engine together, which then computes the text once. Each segment
    goes in with its kind and length, so that no text can pass for another split of the same characters.
    """
    beginning, middle, end = _tagged_parts(frame)
    digest = _constant_digest(scope, beginning).copy()
    rest = iter(texts)
    digest.update(b"".join([_tagged_text(next(rest)) if part is None else part for part in middle]))
    head = digest.digest()
    digest.update(end + _described(decoding))
    return head + digest.digest()


@lru_cache(maxsize=1024)
def _tagged_parts(frame: Frame) -> tuple[bytes, tuple[bytes | None, ...], bytes]:
    """The frame's constants as they go in: before the first row text or border, up to the last one, and after it."""
    places = [i for i, part in enumerate(frame.parts) if not isinstance(part, str | Pad)]
    first, last = (places[0], places[-1]) if places else (0, -1)
    middle = tuple(None if part is None else _tagged(part) for part in frame.parts[first : last + 1])
    return _all_tagged(frame.parts[:first]), middle, _all_tagged(frame.parts[last + 1 :])


@lru_cache(maxsize=1024)
def _constant_digest(scope: str, beginning: bytes) -> "hashlib.blake2b":
    """The digest of what many prompts begin with; to be copied, not changed."""
    return hashlib.blake2b(scope.encode() + beginning, digest_size=HEAD_BYTES)


def _all_tagged(parts: Parts) -> bytes:
    return b"".join(_tagged(part) for part in parts if part is not None)


def _tagged(part: str | Border | Pad) -> bytes:
    kind = b"c" if isinstance(part, str) else (b"p%d" if isinstance(part, Pad) else b"b%d") % BLOCK_TOKENS
    return _with_length(kind, plain(part))


def _tagged_text(text: Text) -> bytes:
    return _with_length(b"t", text.value)


def _with_length(kind: bytes, value: str) -> bytes:
    data = value.encode()
    return kind + len(data).to_bytes(8, "little") + data


@lru_cache(maxsize=1024)
def _described(decoding: Decoding) -> bytes:
    return json.dumps(describe(decoding), sort_keys=True).encode()
