"""What is kept of what Beam finds is what it finds."""

import pytest
from apache_beam import DoFn
from apache_beam.options.pipeline_options import PipelineOptions, S3Options, StandardOptions, TypeOptions
from apache_beam.transforms.core import CallableWrapperDoFn, get_function_args_defaults
from apache_beam.transforms.userstate import CombiningValueStateSpec, get_dofn_specs
from apache_beam.typehints.decorators import get_signature

from pipeline.completions import AppendCompletions
from pipeline.inference import Complete
from pipeline.outcomes import ParseAnswers
from pipeline.rounds import AskQuestions, LookUpAnswers
from pipeline.validation import ValidateRows

_SUM = CombiningValueStateSpec("sum", combine_fn=sum)
_SUMS = DoFn.StateParam(_SUM)


@pytest.mark.parametrize("kind", [AskQuestions, LookUpAnswers, Complete, AppendCompletions, ParseAnswers, ValidateRows])
def test_arguments_of_our_steps(kind: type[DoFn]) -> None:
    step = kind.__new__(kind)
    for _ in range(2):
        for name in ("process", "setup", "start_bundle", "finish_bundle", "teardown"):
            method = getattr(step, name)
            parameters = get_signature(method).parameters
            found, defaults = get_function_args_defaults(method)
            assert found == list(parameters)
            assert defaults == [p.default for p in parameters.values() if p.default is not p.empty]
            found.append("changed by who asked")


def test_state_is_that_of_the_class() -> None:
    class Stateful(DoFn):
        def process(self, pair: tuple[str, int], sums=_SUMS) -> None: ...

    for _ in range(2):
        assert get_dofn_specs(Stateful()) == ({_SUM}, set())
        assert get_dofn_specs(AskQuestions.__new__(AskQuestions)) == (set(), set())
        assert get_dofn_specs(CallableWrapperDoFn(lambda x: x)) == (set(), set())


def test_views_of_options_are_those_of_their_own_values() -> None:
    one = PipelineOptions(["--s3_region_name=here", "--streaming"], pipeline_type_check=False)
    other = PipelineOptions(["--s3_region_name=there"])
    for _ in range(2):
        assert [options.view_as(S3Options).s3_region_name for options in (one, other)] == ["here", "there"]
        assert [options.view_as(TypeOptions).pipeline_type_check for options in (one, other)] == [False, True]
        assert [options.view_as(StandardOptions).streaming for options in (one, other)] == [True, False]
    one.view_as(S3Options).s3_region_name = "elsewhere"
    assert one.view_as(PipelineOptions).view_as(S3Options).s3_region_name == "elsewhere"
    assert other.view_as(S3Options).s3_region_name == "there"
