"""A model's tokenizer and chat template, read from its folder, and the one rule they serve: row text stays text.

Only `tokenizer.json` and the template are read, with the `tokenizers` library and a sandboxed jinja, so counting tokens
costs neither torch nor a model.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import UsageError
from pipeline.prompts import BLOCK_TOKENS, Border, Pad, Segment, Text, plain

_CHARS_PER_TOKEN = 64
"""No ordinary text has tokens this long on average: cutting there first saves tokenising a whole book."""


class TextEncoder(Protocol):
    """Turns text into token ids."""

    def encode(self, segment: Segment) -> list[int]:
        """Ids of one segment; control tokens are recognised in constants only."""
        ...

    def cut(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that is found to fit into `max_tokens`."""
        ...


class ModelTokenizer:
    """The tokenizer of a model folder.

    Args:
        folder: a Hugging Face model folder with `tokenizer.json`.

    Raises:
        UsageError: if there is none.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        file = folder / "tokenizer.json"
        if not file.is_file():
            raise UsageError(f"{folder} has no tokenizer.json", "Textmill needs models with a fast tokenizer")
        # Two tokenizers, for `encode_special_tokens` (control tokens read as plain text) is a property of the object.
        self._constants, self._texts = Tokenizer.from_file(str(file)), Tokenizer.from_file(str(file))
        self._texts.encode_special_tokens = True
        for tokenizer in (self._constants, self._texts):
            tokenizer.no_truncation()
            tokenizer.no_padding()
        self._constant_ids = lru_cache(maxsize=4096)(self._encode_constant)

    def encode(self, segment: Segment) -> list[int]:
        """Ids of one segment, with no begin-of-text added; control tokens are recognised in constants only."""
        if isinstance(segment, Text):
            return list(self._texts.encode(segment.value, add_special_tokens=False).ids)
        return self._constant_ids(plain(segment))

    def _encode_constant(self, value: str) -> list[int]:
        return list(self._constants.encode(value, add_special_tokens=False).ids)

    def decode(self, token: int) -> str:
        """The text of one token."""
        return str(self._texts.decode([token], skip_special_tokens=False))

    def decode_all(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        return str(self._texts.decode(list(tokens), skip_special_tokens=True))

    def cut(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that fits into `max_tokens`, by whole tokens."""
        start = text[: max_tokens * _CHARS_PER_TOKEN]
        encoding = self._texts.encode(start, add_special_tokens=False)
        if len(encoding.ids) <= max_tokens and start != text:  # tokens of unusual length: look at all of the text
            start, encoding = text, self._texts.encode(text, add_special_tokens=False)
        keep = max_tokens
        while len(encoding.ids) > max_tokens:  # a cut can split a word anew, so that it needs one more token
            start = start[: encoding.offsets[keep - 1][1]] if keep else ""
            encoding = self._texts.encode(start, add_special_tokens=False)
            keep -= 1
        return start


def load_tokenizer(folder: Path) -> ModelTokenizer:
    """The folder's tokenizer, read once in a process: a large vocabulary takes half a second.

    Raises:
        UsageError: if there is none.
    """
    file = folder / "tokenizer.json"
    return _tokenizer_of(folder, file.stat().st_mtime_ns if file.is_file() else None)


@lru_cache(maxsize=4)
def _tokenizer_of(folder: Path, changed: int | None) -> ModelTokenizer:
    return ModelTokenizer(folder)


class BytesTokenizer:
    """One token per UTF-8 byte: for the scripted engine, which has no model."""

    def encode(self, segment: Segment) -> list[int]:
        """The segment's bytes."""
        return list(segment.value.encode()) if isinstance(segment, Text) else _bytes_of(plain(segment))

    def cut(self, text: str, max_tokens: int) -> str:
        """The first `max_tokens` bytes, less a split character."""
        return text.encode()[:max_tokens].decode(errors="ignore")


@lru_cache(maxsize=4096)
def _bytes_of(constant: str) -> list[int]:
    return list(constant.encode())


def encode_all(encoder: TextEncoder, segments: Sequence[Segment]) -> list[int]:
    """The token ids of a whole prompt, with what fills it up to its borders, or at its pad."""
    ids: list[int] = []
    pad: int | None = None
    for segment in segments:
        if isinstance(segment, Pad):
            pad = len(ids)
            continue
        if pad is not None and isinstance(segment, Text):
            ids[pad:pad], pad = _fill(encoder, len(ids)), None
        own = encoder.encode(segment)
        if isinstance(segment, Border):
            ids += _fill(encoder, len(ids) + len(own))
        ids += own
    if pad is not None:
        ids[pad:pad] = _fill(encoder, len(ids))
    return ids


def _fill(encoder: TextEncoder, num_tokens: int) -> list[int]:
    """The line breaks that are missing to a whole number of blocks."""
    line_break = encoder.encode("\n")
    if len(line_break) != 1:  # no number of them is sure to fill the gap
        return []
    return line_break * (-num_tokens % BLOCK_TOKENS)


class JinjaChatTemplate:
    """The chat template of a model folder, rendered in jinja's sandbox."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self.source = source
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = lambda value, **kwargs: json.dumps(value, ensure_ascii=False, **kwargs)
        environment.globals["raise_exception"] = _refuse
        self._template = environment.from_string(source)
        self._special_tokens = dict(special_tokens)

    def __call__(self, messages: Sequence[Mapping[str, str]], thinking: bool) -> str:
        """The conversation as one string, ready for the model's turn.

        `thinking` is passed on by the name that templates of models with a choice give it (`enable_thinking`).

        Raises:
            UsageError: if the template refuses the conversation (a role it does not know, say).
        """
        return self._template.render(
            messages=messages, add_generation_prompt=True, enable_thinking=thinking, **self._special_tokens
        )


def _refuse(reason: str) -> None:
    raise UsageError(f"the model's chat template refuses this conversation: {reason}", "try --prompt-form bare")


def load_chat_template(folder: Path) -> JinjaChatTemplate | None:
    """The folder's chat template, from `chat_template.jinja` or the tokenizer's config; None if it has none."""
    config: dict[str, Any] = {}
    if (file := folder / "tokenizer_config.json").is_file():
        config = json.loads(file.read_text(encoding="utf-8"))
    source = config.get("chat_template")
    if (file := folder / "chat_template.jinja").is_file():
        source = file.read_text(encoding="utf-8")
    if not isinstance(source, str):
        return None
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    values = {name: config.get(name) for name in names}
    return JinjaChatTemplate(
        source, {n: v["content"] if isinstance(v, dict) else v for n, v in values.items() if v is not None}
    )
