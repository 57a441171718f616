"""Input, store and output on an object store: moto's server, spoken to by Beam's own S3 filesystem."""

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from jobs.config import JobConfig
from jobs.run import run_job
from jobs.terminal import Terminal
from pipeline.errors import RunError, UsageError
from pipeline.object_folder import ObjectFolder
from schemas.manifest import Manifest

_BUCKET = "s3://mill"


def _options(endpoint: str) -> tuple[str, ...]:
    return (f"--s3_endpoint_url={endpoint}", "--s3_region_name=us-east-1")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # here, for vLLM does not start in a process that has Flask

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def session() -> boto3.session.Session:
    """One for all clients: Beam has each of its calls read megabytes of descriptions of the service anew."""
    return boto3.session.Session()


@pytest.fixture
def s3(endpoint: str, session: boto3.session.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an empty bucket."""
    monkeypatch.setattr(boto3.session, "Session", lambda: session)
    for name, value in {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "me", "AWS_DEFAULT_REGION": "eu-1"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="mill")
    FileSystems.set_options(PipelineOptions(list(_options(endpoint))))
    yield client
    for key in _keys(client):
        client.delete_object(Bucket="mill", Key=key)
    client.delete_bucket(Bucket="mill")
    FileSystems.set_options(PipelineOptions([]))


def _keys(s3: Any) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket="mill").get("Contents", ())]


def _in_output(s3: Any) -> set[str]:
    """What lies in the output: the manifest, and the folders of runs."""
    return {key.split("/")[1] for key in _keys(s3) if key.startswith("out/")}


def _put(s3: Any, key: str, columns: dict[str, Any]) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=50)
    s3.put_object(Bucket="mill", Key=key, Body=sink.getvalue())


def _read(s3: Any, kind: str = "results") -> list[dict]:
    """The rows that a reader finds who goes by the manifest."""
    manifest = json.loads(s3.get_object(Bucket="mill", Key="out/manifest.json")["Body"].read())
    rows: list[dict] = []
    for file in manifest[kind]:
        body = s3.get_object(Bucket="mill", Key=f"out/{file['path']}")["Body"].read()
        rows += pq.read_table(io.BytesIO(body)).to_pylist()
    return rows


@pytest.fixture
def run_s3(endpoint: str) -> Callable[..., Manifest]:
    def go(**settings: Any) -> Manifest:
        values = {"inputs": (f"{_BUCKET}/in",), "output": f"{_BUCKET}/out", "store": f"{_BUCKET}/store"}
        values |= {"task": "sentiment", "engine": "scripted", "beam_options": _options(endpoint), **settings}
        return run_job(JobConfig(**values), Terminal(io.StringIO()))

    return go


def test_a_run_is_that_of_a_disk_and_a_reader_sees_it_until_the_next_is_whole(
    s3, run_s3, run, results, write_parquet
) -> None:
    columns = {"text": pa.array([*(f"text {i % 15}" for i in range(20)), "", None], pa.string())}
    _put(s3, "in/rows.parquet", columns)
    before = run_s3()
    run(write_parquet(columns, row_group_size=50))
    there = [{**row, "meta": None} for row in _read(s3)]
    assert there == [{**row, "meta": None} for row in results().to_pylist()]
    assert len(_read(s3, "dead_letters")) == 2
    with pytest.raises(RunError):
        run_s3(task=_failing_task(Path(__file__).parent))
    assert [{**row, "meta": None} for row in _read(s3)] == there
    assert _in_output(s3) == {"manifest.json", before.run_id}
    s3.put_object(Bucket="mill", Key="out/20200101T000000-aaaaaa/results/part-00000.parquet", Body=b"of an older run")
    _put(s3, "in/more.parquet", {"text": ["text 3", "three"]})
    after = run_s3()
    assert (before.counts.sent, after.counts.sent, after.counts.reused) == (15, 1, 15)
    assert _in_output(s3) == {"manifest.json", before.run_id, after.run_id}
    assert len(_read(s3)) == 24


@pytest.mark.slow
def test_two_workers_share_a_store_on_s3(s3, run_s3) -> None:
    _put(s3, "in/rows.parquet", {"text": [f"text {i % 150}" for i in range(200)]})
    manifest = run_s3(workers=2)
    assert (manifest.counts.ok, manifest.counts.sent) == (200, 150)
    assert all(worker.sent for worker in manifest.workers)
    assert len(_read(s3)) == 200


def _failing_task(folder: Path) -> str:
    return f"{folder / 'failing_task.py'}:TASK"


def test_a_place_that_another_run_claims_or_that_is_foreign_is_refused(s3, run_s3) -> None:
    _put(s3, "in/rows.parquet", {"text": ["one"]})
    claim = {"run_id": "another", "seconds": time.time()}
    s3.put_object(Bucket="mill", Key="out/claim.json", Body=json.dumps(claim).encode())
    with pytest.raises(UsageError, match="another run"):
        run_s3()
    assert "out/claim.json" in _keys(s3), "it is the other run's"
    s3.put_object(Bucket="mill", Key="out/claim.json", Body=json.dumps({**claim, "seconds": 0}).encode())
    folder = ObjectFolder(f"{_BUCKET}/out", "20261125T110922-3fa4c1")
    folder.open()
    folder.release()
    assert "out/claim.json" not in _keys(s3)


_RUN, _OLDER = "20261125T110922-3fa4c1", "20261124T110902-99b2e0"


@pytest.mark.parametrize("key", ["letters.txt", "2025-archive/x.csv", f"{_OLDER}/manifest.json", "2025/results/x"])
def test_what_is_foreign_is_refused_also_beside_a_manifest(s3, key) -> None:
    s3.put_object(Bucket="mill", Key=f"out/{key}", Body=b"dear")
    s3.put_object(Bucket="mill", Key="out/manifest.json", Body=b"{}")
    folder = ObjectFolder(f"{_BUCKET}/out", _RUN)
    with pytest.raises(UsageError, match=f"{key}', not written by Textmill"):
        folder.open()
    folder.release()
    assert f"out/{key}" in _keys(s3)


def test_only_files_of_runs_go_with_an_older_run(s3) -> None:
    folder = ObjectFolder(f"{_BUCKET}/out", _RUN)
    s3.put_object(Bucket="mill", Key=f"out/{_OLDER}/run.log", Body=b"of a run that was killed")
    folder.open()
    for key in (f"{_OLDER}/results/part-00000.parquet", f"{_OLDER}/notes.txt", "2025-archive/x.csv"):
        s3.put_object(Bucket="mill", Key=f"out/{key}", Body=b"")
    folder._replaces = "20261125T000000-000000"
    folder._remove_older()
    folder.release()
    assert set(_keys(s3)) == {f"out/{_OLDER}/notes.txt", "out/2025-archive/x.csv"}


def test_a_claim_that_another_run_has_taken_over_is_that_runs(s3, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.object_folder._REFRESH_SECONDS", 0.05)
    slow = ObjectFolder(f"{_BUCKET}/out", _OLDER)
    slow.open()
    s3.put_object(Bucket="mill", Key="out/claim.json", Body=json.dumps({"run_id": _RUN, "seconds": 0}).encode())
    slow._refresher.join(5)
    slow.release()
    assert json.loads(s3.get_object(Bucket="mill", Key="out/claim.json")["Body"].read())["run_id"] == _RUN
