"""What servers are taken for, by what they say of themselves over real sockets."""

from dataclasses import replace

import pytest

from pipeline.engines.server.client import _broken, faulty_url
from pipeline.engines.server.probe import _PROBE_TEXT, look_at
from pipeline.engines.server.retries import Kind
from pipeline.engines.server.served import Served
from pipeline.errors import RunError, UsageError
from pipeline.tokens import load_tokenizer

OTHER = {"data": [{"id": "a", "owned_by": "me"}, {"id": "b", "owned_by": "me"}]}


def test_vllm_is_known_and_its_vocabulary_compared(folder, serve) -> None:
    tokenizer = load_tokenizer(folder)
    same = serve(tokenize={"tokens": list(tokenizer.encode(_PROBE_TEXT))})
    served, silent = look_at([same.url], None, tokenizer)
    assert served == Served("tiny", "vllm", "0.32.0", 512)
    assert served.identity()["version"] == "0.32"
    assert (silent, served.missing()) == ({}, [])
    with pytest.raises(UsageError, match="vocabulary is not that of --model"):
        look_at([serve(tokenize={"tokens": [1, 2]}).url], None, tokenizer)


def test_a_silent_server_is_said_and_all_silent_end_it(folder, serve) -> None:
    well, dead = serve(), serve()
    dead.stop()
    served, silent = look_at([dead.url, well.url], "tiny", load_tokenizer(folder))
    assert served.model == "tiny"
    assert list(silent) == [dead.url]
    assert silent[dead.url].startswith("cannot connect")
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
    assert [line.split(" (")[0] for line in served.missing()] == [
        "no log-probabilities",
        "no JSON schemas",
        "no /tokenize",
    ]


def test_what_fails_at_the_start_is_taken_for_silence_not_for_another_kind_of_server(folder, serve) -> None:
    tokenizer = load_tokenizer(folder)
    busy = serve(lambda n, body: "429" if isinstance(body["prompt"], list) else "ok", models=OTHER, version=None)
    well = serve()
    for server in (serve(version=503), serve(tokenize=503), serve(models=404), serve(lambda n, body: "500")):
        served, silent = look_at([server.url, well.url], "tiny", tokenizer)
        assert (served.software, list(silent)) == ("vllm", [server.url])
    with pytest.raises(RunError, match="does not answer: 429"):
        look_at([busy.url], "b", tokenizer)


def test_of_what_servers_offer_only_that_counts_that_all_do(folder, serve) -> None:
    by_text = serve(lambda n, body: "400" if isinstance(body["prompt"], list) else "ok", models=OTHER, version=None)
    by_ids = serve(models=OTHER, version=None)
    served, _ = look_at([by_ids.url, by_text.url], "b", load_tokenizer(folder))
    assert not served.takes_ids
    assert served.identity() != replace(served, takes_ids=True).identity()


def test_an_address_without_v1_is_hinted_at_and_keys_in_addresses_are_not_shown(folder, serve) -> None:
    tokenizer = load_tokenizer(folder)
    with pytest.raises(RunError, match="404") as caught:
        look_at([serve(models=None).url], None, tokenizer)
    assert "/v1" in caught.value.hint
    for url in ("http://me:secret@host/v1", "http://host/v1?key=secret@x", "http://me:sec/ret@host:secret"):
        with pytest.raises(UsageError) as refused:
            look_at([url], None, tokenizer)
        assert "sec" not in str(refused.value)


def test_a_connection_that_cannot_be_made_in_time_says_that_nobody_is_there() -> None:
    error = Exception()
    error.__cause__ = type("ConnectTimeout", (Exception,), {})()
    assert _broken(error, timed_out=True, seconds=5).kind is Kind.AWAY
    error.__cause__ = type("ReadTimeout", (Exception,), {})()
    assert _broken(error, timed_out=True, seconds=5).kind is Kind.LATE


@pytest.mark.parametrize("url", ["host:8000", "ftp://host/v1", "http://", "http://a:b@host/v1", "http://host:x/v1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    assert faulty_url(url)
    assert faulty_url("http://host:8000/v1") is None
