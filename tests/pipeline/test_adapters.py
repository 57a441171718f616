"""What is said of a merge that fails."""

import sys
from pathlib import Path

import pytest

from pipeline.adapters import _run_merge
from pipeline.errors import RunError


@pytest.mark.parametrize(
    ("does", "said", "hint"),
    [
        ("kill -9 $$", "killed by signal 9", "it needs about 2.6 GB of memory"),
        ("echo \"ModuleNotFoundError: No module named 'peft'\" >&2; exit 1", "No module named 'peft'", "pip install"),
        ("echo 'OSError: No space left on device' >&2; exit 1", "No space left on device", ""),
    ],
)
def test_a_merge_that_fails_says_why(
    does: str, said: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{does}\n")
    python.chmod(0o755)
    with (tmp_path / "model.safetensors").open("wb") as weights:
        weights.truncate(1_000_000_000)
    (tmp_path / "config.json").write_text('{"dtype": "bfloat16"}')
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(RunError, match=said) as error:
        _run_merge(tmp_path, tmp_path, tmp_path / "out")
    assert error.value.hint.startswith(hint)
    assert bool(error.value.hint) == bool(hint)
