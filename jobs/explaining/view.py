"""An explanation on a terminal: everything from rows and models goes through `printable`."""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.explaining.explained import Asked, Explained, ResultRow
from jobs.terminal import printable

_MAX_CHARS = 2_000


def print_explained(console: Console, told: Explained, whole: bool) -> None:
    """The row, each request and its answer, the results and their checks, the files.

    Args:
        whole: prompts in full; otherwise the middle of long ones is left out.
    """
    _head(console, f"row {told.id}")
    for origin in told.origins:
        row = "" if origin.row is None else f", row {origin.row}"
        _line(console, "from", f"{origin.file}{row}{f' ({origin.note})' if origin.note else ''}")
    for name, value in told.read.items():
        _line(console, name, _shown(value, whole))
    _line(console, "run", f"{told.run_id}: {told.task} by {_model(told.model)}, recipe {told.recipe}")
    if told.adapter:
        _line(console, "adapter", f"{told.adapter.name}: {told.adapter.folder}, digest {told.adapter.digest[:12]}")
    for note in told.notes:
        _line(console, "note", note)
    for number, one in enumerate(told.asked, 1):
        _print_asked(console, number, one, whole)
    for result in told.results:
        _print_result(console, result)


def _model(model: dict[str, Any]) -> str:
    said = [model["name"], model["licence"], model["revision"], f"digest {model['digest'][:12]}"]
    return ", ".join(part for part in said if part)


def _head(console: Console, text: str) -> None:
    console.print(Text(printable(text), style="bold"), soft_wrap=True)


def _line(console: Console, name: str, value: str) -> None:
    lines = [printable(line) for line in value.split("\n")]
    indented = ("\n" + " " * 16).join(lines)
    console.print(Text.assemble((f"  {printable(name):<13} ", "dim"), indented), soft_wrap=True)


def _print_asked(console: Console, number: int, one: Asked, whole: bool) -> None:
    marks = "".join(f", {mark}" for mark, is_so in (("guarded", one.guarded), ("cut", one.truncated)) if is_so)
    _head(console, f"request {number}: {one.name}, round {one.round}{marks}")
    if one.prompt:
        _line(console, "prompt", _shortened(one.prompt, whole))
    _line(console, "decoding", _decoding(one.decoding, whole))
    for name, value in _answer_lines(one):
        _line(console, name, value)


def _answer_lines(one: Asked) -> Iterator[tuple[str, str]]:
    if one.problem:
        yield "no answer", one.problem
        return
    if one.reasoning:
        yield "thought", one.reasoning
    yield "answer", one.answer or ""
    if one.probabilities:
        yield "probabilities", ", ".join(f"{name} {p:.3f}" for name, p in one.probabilities.items())
    cached = f" ({one.cached_prompt_tokens:,} cached)" if one.cached_prompt_tokens else ""
    ended = f"{one.prompt_tokens or 0:,} in{cached}, {one.output_tokens or 0:,} out, ended by {one.finish_reason}"
    yield "tokens", ended
    yield "computed by", f"run {one.run_id}"
    yield "stored in", f"{one.stored_in} (fingerprint {one.fingerprint})"


def _print_result(console: Console, result: ResultRow) -> None:
    _head(console, f"result: {result.status}")
    for name, value in result.values.items():
        if value not in (None, []):
            _line(console, name, _shown(value, whole=True))
    if result.error:
        _line(console, "error", f"{result.error['class']}: {result.error['message']}")
    for check in result.checks:
        _line(console, check["name"], "passed" if check["passed"] else f"failed: {check['detail']}")
    _line(console, "written to", f"{result.file}, row {result.row}")
    told = {True: "yes", False: "NO: the answers give something else now", None: "cannot be said: answers are missing"}
    _line(console, "as rebuilt", told[result.rebuilt])


def _decoding(decoding: dict[str, Any], whole: bool) -> str:
    said = {name: value for name, value in decoding.items() if value not in (None, [], (), 0, 0.0, False, "")}
    return _shortened(", ".join(f"{name} {_shown(value, whole)}" for name, value in said.items()), whole)


def _shown(value: Any, whole: bool) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _shortened(text, whole)


def _shortened(text: str, whole: bool) -> str:
    if whole or len(text) <= _MAX_CHARS:
        return text
    left_out = len(text) - _MAX_CHARS
    half = _MAX_CHARS // 2
    return f"{text[:half]}\n[… {left_out:,} characters; --whole shows them …]\n{text[-half:]}"
