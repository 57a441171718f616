"""Servers as jobs ask for them, and as `textmill serve` starts them."""

import socket

import pytest

from jobs.config import JobConfig
from jobs.servers import server_spec
from jobs.serving import _free_port, _reachable
from pipeline.decoding import Choice, FreeText
from pipeline.engines.base import EngineNeeds
from pipeline.errors import UsageError

OTHER = {"data": [{"id": "a", "owned_by": "me"}]}


def test_a_model_that_thinks_needs_vllm_for_its_thoughts_cannot_be_told_apart_elsewhere(folder, serve) -> None:
    config = JobConfig(
        task="sentiment", inputs=("in",), output="out", engine="server", endpoint=(serve(models=OTHER).url,)
    )
    needs = EngineNeeds("run", 512, str(folder), reasoning_tokens=100)
    with pytest.raises(UsageError, match="thinks before it answers"):
        server_spec(config, needs, [FreeText(8)], print)
    with pytest.raises(UsageError, match="no log-probabilities"):
        server_spec(config, needs, [Choice(("yes", "no"), ("y", "n"))], print)


def test_a_server_of_ours_that_was_silent_is_named_in_the_spec(folder, serve) -> None:
    well, dead = serve(), serve()
    dead.stop()
    said: list[str] = []
    config = JobConfig(task="sentiment", inputs=("in",), output="out", engine="server", endpoint=(well.url, dead.url))
    spec = server_spec(config, EngineNeeds("run", 512, str(folder)), [FreeText(8)], said.append)
    assert spec.silent == {dead.url}
    assert any("does not answer" in line for line in said)
    assert any("no /tokenize" in line for line in said)


def test_a_server_may_listen_on_all_addresses_of_either_family() -> None:
    assert [_reachable(host) for host in ("0.0.0.0", "::", "::1", "me")] == ["127.0.0.1", "[::1]", "[::1]", "me"]  # noqa: S104 - a name
    if socket.has_ipv6:
        assert _free_port("::", 0) > 0
