"""A model folder with a tokenizer, and servers that are stopped for certain."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pipeline.server.fake_server import FakeServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    started: list[FakeServer] = []

    def start(*args, **kwargs) -> FakeServer:
        started.append(FakeServer(*args, **kwargs).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()
