"""A real vLLM server, started as `textmill serve` starts it, against the engine in this process."""

import io
import os
import random
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from jobs.config import JobConfig
from jobs.run import run_job
from jobs.serving import LocalServer, ServerSettings, serving
from jobs.terminal import Terminal
from pipeline.engines.server_engine import THREAD_NAME
from pipeline.models import catalogue_entry, pull
from schemas.manifest import Manifest
from tests.engine.misbehaving_proxy import MisbehavingProxy

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves

MODEL = "smollm2-135m"
TEXTS = [f"{text} ({i})" for i in range(35) for text in ("Great!", "Awful, it broke.", "It is a chair.", "Not bad.")]
SPANISH = {"task": "translate", "model": MODEL, "options": {"to": ["es"], "source": "en", "retry": False}}
FAULTS = ("429", "503", "500", "garbage", "half")


@pytest.fixture(scope="module")
def judged_here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, pa.Table]:
    """What the engine in this process says of the texts, asked once: the run and its results."""
    pull(catalogue_entry(MODEL), print)
    folder = tmp_path_factory.mktemp("here")
    pq.write_table(pa.table({"text": TEXTS}), folder / "rows.parquet")
    places = {"inputs": (str(folder / "rows.parquet"),), "output": str(folder / "out"), "store": str(folder / "store")}
    manifest = run_job(JobConfig(task="sentiment", engine="vllm", model=MODEL, **places), Terminal(io.StringIO()))
    return manifest, ds.dataset(folder / "out/results").to_table()


def test_a_server_answers_as_the_engine_here_also_when_it_is_killed_and_started_again(
    judged_here, smollm2, run, write_parquet, results, tmp_path: Path
) -> None:
    file = write_parquet({"text": TEXTS})

    with serving(ServerSettings(MODEL, port=0), tmp_path / "server.log", print) as server:
        there = {"engine": "server", "endpoint": (server.url,)}
        port = int(server.url.rsplit(":")[-1].removesuffix("/v1"))
        restarted = _Restarted(server, ServerSettings(MODEL, port=port), tmp_path / "restarted.log")
        restarted.start()
        try:
            manifest = run(file, "there", model=MODEL, **there)
            again = run(file, "again", model=MODEL, **there)
        finally:
            restarted.stop()

    assert restarted.killed
    assert (manifest.counts.rows, manifest.counts.ok, manifest.counts.sent) == (len(TEXTS), len(TEXTS), len(TEXTS))
    assert (again.counts.sent, again.counts.reused) == (0, len(TEXTS))
    _assert_same_sentiment(judged_here[1], results("there"))
    assert not psutil.Process().children(recursive=True)


def test_misbehaving_and_slow_servers_lose_and_repeat_nothing(
    judged_here, smollm2, run, write_parquet, results, tmp_path: Path
) -> None:
    file = write_parquet({"text": TEXTS})
    few = write_parquet({"text": [f"The {thing} is blue." for thing in ("door", "cat", "sea", "lamp")]}, "few.parquet")
    translated_here = run(few, "here-es", engine="vllm", **SPANISH)

    with ExitStack() as stack:
        server = stack.enter_context(serving(ServerSettings(MODEL, port=0), tmp_path / "server.log", print))
        draw = random.Random(0)  # noqa: S311 - not a secret
        proxies = [
            MisbehavingProxy(server.url, lambda n, body: draw.choice((*FAULTS, "ok", "ok", "ok"))).start(),
            MisbehavingProxy(server.url, lambda n, body: "slow").start(),
        ]
        for proxy in proxies:
            stack.callback(proxy.stop)
        servers = {"engine": "server", "endpoint": (*(proxy.url for proxy in proxies), server.url)}
        judged = run(file, "there", model=MODEL, **servers)
        translated = run(few, "there-es", **SPANISH, **servers)

    assert all(len(proxy.asked) > 1 for proxy in proxies)
    for there, here in ((judged, judged_here[0]), (translated, translated_here)):
        assert (there.counts.rows, there.counts.ok, there.counts.sent) == (
            here.counts.rows,
            here.counts.ok,
            here.counts.sent,
        )
    _assert_same_sentiment(judged_here[1], results("there"))
    for name in ("id", "translation"):
        assert results("there-es")[name].equals(results("here-es")[name])


def _assert_same_sentiment(here: pa.Table, there: pa.Table) -> None:
    """Equal labels (the texts are clear), and probabilities as near as bfloat16 is, which rounds by the batch."""
    assert there["text"].equals(here["text"])
    assert there["label"].equals(here["label"])
    for name in ("p_positive", "p_neutral", "p_negative", "p_mixed"):
        apart = abs(there[name].to_numpy() - here[name].to_numpy())
        assert apart.mean() < 0.02
        assert apart.max() < 0.08


class _Restarted(threading.Thread):
    """Kills a server a moment after requests begin to reach it, and starts another in its place."""

    def __init__(self, server: LocalServer, settings: ServerSettings, log: Path) -> None:
        super().__init__()
        self._server, self._settings, self._log = server, settings, log
        self._over, self.killed = threading.Event(), False

    def run(self) -> None:
        while not any(thread.name == THREAD_NAME for thread in threading.enumerate()):
            if self._over.wait(0.02):
                return
        if self._over.wait(0.3):
            return
        os.killpg(self._server.process.pid, signal.SIGKILL)
        self._server.process.wait()
        self.killed = True
        with serving(self._settings, self._log, print):
            self._over.wait()

    def stop(self) -> None:
        self._over.set()
        self.join()
