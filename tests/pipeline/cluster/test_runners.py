"""A runner by its name: Beam's own portable job server, as a cluster's would be addressed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer

from pipeline.cluster.job_server import JobServer
from schemas.manifest import Manifest


@pytest.fixture
def job_server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that stages into `staged`."""
    server = LocalJobServicer(staging_dir=str(tmp_path / "staged"))
    yield f"localhost:{server.start_grpc_server()}"
    server.stop()


@pytest.mark.slow
def test_a_run_by_name_is_that_of_one_process_and_the_package_is_staged(
    job_server: str, run: Callable[..., Manifest], write_parquet, results, tmp_path, home
) -> None:
    file = write_parquet({"text": [f"text {i % 150}" for i in range(200)] + ["", None]})
    wheel = tmp_path / "textmill-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    options = [f"--job_endpoint={job_server}", "--environment_type=LOOPBACK", f"--extra_package={wheel}"]
    alone = run(file, "alone", store=str(home / "one"))
    there = run(file, "there", store=str(home / "other"), runner="PortableRunner", beam_options=options)
    plain = [[{**row, "meta": None} for row in results(output).to_pylist()] for output in ("alone", "there")]
    assert plain[0] == plain[1]
    assert there.counts == alone.counts
    assert b"a wheel" in {found.read_bytes() for found in (tmp_path / "staged").rglob("*.whl")}


def test_the_job_server_takes_its_folder_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    with JobServer(tmp_path / "log") as server:
        assert list(scratch.iterdir())
    assert not server.is_alive
    assert not list(scratch.iterdir())
