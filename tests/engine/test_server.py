"""A real vLLM server, started as `textmill serve` starts it, against the engine in this process."""

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from jobs.serving import LocalServer, ServerSettings, serving
from pipeline.engines.server_engine import THREAD_NAME

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves

MODEL = "smollm2-135m"
TEXTS = [f"{text} ({i})" for i in range(35) for text in ("Great!", "Awful, it broke.", "It is a chair.", "Not bad.")]


def test_a_server_answers_as_the_engine_here_also_when_it_is_killed_and_started_again(
    smollm2, run, write_parquet, results, tmp_path: Path
) -> None:
    file = write_parquet({"text": TEXTS})
    few = write_parquet({"text": TEXTS[:1]}, "few/rows.parquet")
    spanish = {"task": "translate", "model": MODEL, "options": {"to": ["es"], "source": "en", "retry": False}}
    run(file, "here", engine="vllm", model=MODEL)

    settings = ServerSettings(MODEL, port=0)
    with serving(settings, tmp_path / "server.log", print) as server:
        there = {"engine": "server", "endpoint": (server.url,)}
        translated = run(few, "there-es", **spanish, **there)
        assert translated.counts.sent > 0
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
    for here, answer in zip(results("here").to_pylist(), results("there").to_pylist(), strict=True):
        assert (answer["text"], answer["label"]) == (here["text"], here["label"])
        for name in ("p_positive", "p_neutral", "p_negative", "p_mixed"):
            assert answer[name] == pytest.approx(here[name], abs=0.02)
    assert all(row["translation"] for row in results("there-es").to_pylist())
    assert not psutil.Process().children(recursive=True)


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
