"""What servers are taken for, by what they say of themselves over real sockets."""

import pytest

from pipeline.engines.server.client import faulty_url
from pipeline.engines.server.probe import _PROBE_TEXT, look_at
from pipeline.engines.server.served import Served
from pipeline.errors import RunError, UsageError
from pipeline.tokens import load_tokenizer

OTHER = {"data": [{"id": "a", "owned_by": "me"}, {"id": "b", "owned_by": "me"}]}


def test_vllm_is_known_and_its_vocabulary_compared(folder, serve) -> None:
    tokenizer = load_tokenizer(folder)
    same = serve(tokenize={"tokens": list(tokenizer.encode(_PROBE_TEXT))})
    served, silent = look_at([same.url], None, tokenizer)
    assert served == Served("tiny", "vllm", "0.32.0", 512)
    assert served.identity() == {"name": "server", "server": "vllm", "version": "0.32", "model": "tiny"}
    assert (silent, served.missing()) == ([], [])
    with pytest.raises(UsageError, match="vocabulary is not that of --model"):
        look_at([serve(tokenize={"tokens": [1, 2]}).url], None, tokenizer)


def test_a_silent_server_is_said_and_all_silent_end_it(folder, serve) -> None:
    well, dead = serve(), serve()
    dead.stop()
    served, silent = look_at([dead.url, well.url], "tiny", load_tokenizer(folder))
    assert served.model == "tiny"
    assert len(silent) == 1
    assert silent[0].startswith(f"{dead.url} does not answer: cannot connect")
    with pytest.raises(RunError, match="does not answer"):
        look_at([dead.url], "tiny", load_tokenizer(folder))


def test_another_model_or_two_servers_that_differ_are_errors(folder, serve) -> None:
    tokenizer = load_tokenizer(folder)
    with pytest.raises(UsageError, match="does not serve 'large'"):
        look_at([serve().url], "large", tokenizer)
    with pytest.raises(UsageError, match="serves a, b"):
        look_at([serve(models=OTHER).url], None, tokenizer)
    with pytest.raises(UsageError, match="differ"):
        look_at([serve().url, serve(version={"version": "0.33.1"}).url], None, tokenizer)


def test_another_server_is_tried_out_and_what_it_lacks_is_said(folder, serve) -> None:
    served, _ = look_at([serve(models=OTHER, version=None).url], "b", load_tokenizer(folder))
    assert (served.software, served.takes_ids, served.gives_logprobs, served.holds_schemas) == (
        "other",
        True,
        False,
        False,
    )
    assert [line.split(" (")[0] for line in served.missing()] == ["no log-probabilities", "no JSON schemas"]


@pytest.mark.parametrize("url", ["host:8000", "ftp://host/v1", "http://", "http://a:b@host/v1", "http://host:x/v1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    assert faulty_url(url)
    assert faulty_url("http://host:8000/v1") is None
