"""What is sent to a cluster: a small graph of known steps, for workers in containers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2 as protos
from apache_beam.transforms import environments

from jobs.config import JobConfig
from jobs.prepare import prepare
from pipeline.cascade import Level
from pipeline.cluster.remote import make_pipeline
from pipeline.cluster.where import Paths, Where, choose_where
from pipeline.errors import UsageError
from pipeline.flow import Plan, build_flow
from pipeline.parts import plan_parts
from pipeline.survey import InputFile
from schemas.cascade import Gate, Thresholds

_IMAGE = "registry.example/textmill:1"
_HINT = "--resource_hint=accelerator=type:nvidia-l4;count:1;install-nvidia-driver"
_OPTIONS = ("--environment_type=DOCKER", f"--environment_config={_IMAGE}", _HINT)


def _plan(file: Path, task: str = "sentiment", **options: object) -> Plan:
    places = {"inputs": (str(file),), "output": "out", "store": "s3://mill/store"}
    config = JobConfig(task=task, engine="scripted", options=options, **places)
    return prepare(config, "run", "s3://mill/out/run", lambda _: None).plan


def _of_many_files(plan: Plan, number: int) -> Plan:
    files = [
        InputFile(
            f"gs://some-bucket/exports/2026/day-{i:06d}/part-{i:06d}.parquet", f"day-{i}", 1000, 9, i, (1000,), (9,)
        )
        for i in range(number)
    ]
    return replace(plan, parts=tuple(plan_parts(files, None, None, 0)))


def _graph(plan: Plan) -> protos.Pipeline:
    pipeline = make_pipeline(plan, Where(0, "PortableRunner", _OPTIONS))
    return pipeline.to_runner_api(default_environment=pipeline.runner.default_environment(pipeline.options))


def test_the_graph_is_small_whatever_the_input(write_parquet) -> None:
    plan = _plan(write_parquet({"text": ["a"]}))
    small, large = _graph(plan), _graph(_of_many_files(plan, 10_000))
    assert small.ByteSize() < 300_000
    assert large.ByteSize() - small.ByteSize() < 500_000
    payloads = [len(transform.spec.payload) for transform in small.components.transforms.values()]
    assert max(payloads) < 30_000


def test_only_steps_that_every_runner_knows_and_no_state(write_parquet) -> None:
    graph = _graph(_plan(write_parquet({"text": ["a"]})))
    known = common_urns.primitives
    names = {step.urn for step in (known.IMPULSE, known.FLATTEN, known.GROUP_BY_KEY, known.PAR_DO)}
    for transform in graph.components.transforms.values():
        passes_on = set(transform.outputs.values()) <= set(transform.inputs.values())  # a composite of nothing
        assert transform.subtransforms or passes_on or transform.spec.urn in names
    for transform in graph.components.transforms.values():
        if transform.spec.urn == known.PAR_DO.urn:
            pardo = protos.ParDoPayload.FromString(transform.spec.payload)
            assert not pardo.state_specs
            assert not pardo.side_inputs
            assert not pardo.timer_family_specs


def test_what_a_step_yields_is_read_by_one_step(write_parquet) -> None:
    """In one process each block is handed over once (`pipeline.block_coder`)."""
    file = write_parquet({"text": ["a"]})
    plan = _plan(file)
    level = Level("cheap", plan.task, plan.rules, plan.engine, plan.store, Gate(thresholds=Thresholds(otherwise=0.5)))
    for one in (replace(plan, cheaper=(level,)), _plan(file, "translate", to=["es"], source="en")):
        steps = _graph(one).components.transforms.values()
        readers = Counter(name for step in steps if not step.subtransforms for name in step.inputs.values())
        assert len(readers) > 20
        assert set(readers.values()) == {1}


def test_workers_are_the_container_with_its_hints(write_parquet) -> None:
    graph = _graph(_plan(write_parquet({"text": ["a"]})))
    docker = [e for e in graph.components.environments.values() if e.urn == common_urns.environments.DOCKER.urn]
    assert {protos.DockerPayload.FromString(e.payload).container_image for e in docker} == {_IMAGE}
    assert all(
        e.resource_hints["beam:resources:accelerator:v1"] == _HINT.partition("accelerator=")[2].encode() for e in docker
    )


def test_the_graph_for_dataflow_is_made_without_sending_it(write_parquet) -> None:
    options = PipelineOptions(
        [
            *("--project=my-project", "--region=europe-west1", f"--sdk_container_image={_IMAGE}", _HINT),
            *("--temp_location=gs://some-bucket/temp", "--staging_location=gs://some-bucket/staging"),
        ],
        pipeline_type_check=False,
    )
    pipeline = beam.Pipeline(options=options)
    build_flow(pipeline, _plan(write_parquet({"text": ["a"]})))
    environment = environments.DockerEnvironment.from_container_image(_IMAGE)
    graph = pipeline.to_runner_api(default_environment=environment)
    assert graph.ByteSize() < 300_000  # Dataflow takes 10 MB


_PLACES = Paths(("gs://b/in-[0-9]/*",), "gs://b/out", "gs://b/store")


@pytest.mark.parametrize(
    ("arguments", "changes", "says"),
    [
        ((None, "DaskRunner", (), ()), {}, "loses rows"),
        ((None, "FlinkRuner", (), ()), {}, "no runner"),
        ((2, "FlinkRunner", (), ()), {}, "another place"),
        ((None, "FlinkRunner", (), ("tokens",)), {}, "budget of tokens"),
        ((None, "DataflowRunner", (), ()), {"output": "/disk/out"}, "cannot see /disk/out"),
        ((None, "DataflowRunner", ("--project=mine",), ()), {}, "Beam cannot make a DataflowRunner: .*region"),
        ((None, None, ("--s3_secret_access_key=x",), ()), {}, "s3_secret_access_key would be written"),
        ((None, None, ("--runner=FlinkRunner",), ()), {}, "stands before"),
        ((None, None, ("--num_workers=many",), ()), {}, "does not take"),
        ((2, None, ("--direct_num_workers=4",), ()), {}, "direct_num_workers is Textmill's"),
        ((None, None, ("--direct_running_mode=multi_processing",), ()), {}, "direct_running_mode is Textmill's"),
        ((None, None, ("--direct_runner_bundle_repeat=1",), ()), {}, "direct_runner_bundle_repeat is Textmill's"),
        ((None, None, (), ()), {"output": "hdfs://b/out"}, "HDFS"),
        ((None, None, (), ()), {"output": "s3://b/out[1]"}, "reads as a pattern"),
        ((None, "FlinkRunner", (), ()), {"output": "/disk/out?"}, "reads as a pattern"),
        ((None, None, (), ()), {"store": "/disk/sto*re"}, "reads as a pattern"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: Sequence[object], changes: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        choose_where(*arguments, replace(_PLACES, **changes))  # type: ignore[arg-type]
