"""A job of Beam's portable job server that uses more than one worker."""

from typing import Any

from apache_beam.options.pipeline_options import DirectOptions
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.local_job_service import BeamJob


class ParallelJob(BeamJob):
    """Runs on `direct_num_workers`, which Beam 2.77 heeds in its direct runner only: its job server uses one."""

    def _invoke_runner(self) -> Any:
        self.set_state(beam_job_api_pb2.JobState.RUNNING)  # type: ignore[no-untyped-call]
        options = self.pipeline_options()  # type: ignore[no-untyped-call]
        runner = FnApiRunner(provision_info=self._provision_info)
        runner._num_workers = int(options.view_as(DirectOptions).direct_num_workers or 1)  # it comes as text
        return runner.run_via_runner_api(self._pipeline_proto, options)
