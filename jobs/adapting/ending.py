"""The tokens that end an answer, and the one that is learnt: what the chat template closes the model's turns with."""

import json
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.tokens import ModelTokenizer, load_chat_template

_SAID = "\ue000"
"""A character that no template has."""


def end_token(folder: Path, tokenizer: ModelTokenizer) -> int:
    """The end that the model is to write after an answer.

    A model may have several that an engine stops at, of a text and of a turn; without a chat template it is the first.

    Raises:
        UsageError: if the model's folder names none.
    """
    stops = _stops(folder)
    if not stops:
        raise UsageError(f"{folder} does not say which token ends an answer")
    template = load_chat_template(folder)
    if template is None:
        return stops[0]
    turns = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": _SAID},
        {"role": "user", "content": "?"},
    ]
    closing = tokenizer.encode(template(turns, False).partition(_SAID)[2])
    return next((token for token in closing[:4] if token in stops), stops[0])


def stop_tokens(folder: Path, tokenizer: ModelTokenizer) -> frozenset[int]:
    """All tokens that an engine ends an answer at: those of the folder's configuration, and the tokenizer's own end."""
    file = folder / "tokenizer_config.json"
    end = json.loads(file.read_text(encoding="utf-8")).get("eos_token") if file.is_file() else None
    text = end.get("content") if isinstance(end, dict) else end
    ids = tokenizer.encode(text) if text else []
    return frozenset((*_stops(folder), *(ids if len(ids) == 1 else [])))


def _stops(folder: Path) -> list[int]:
    for name in ("generation_config.json", "config.json"):
        if (folder / name).is_file():
            ends = json.loads((folder / name).read_text(encoding="utf-8")).get("eos_token_id")
            if ends is not None:
                return [int(end) for end in (ends if isinstance(ends, list) else [ends])]
    return []
