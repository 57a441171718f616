"""Telling thoughts from answers, for models that think first: done here, for completions come with both."""

from typing import Any

from pipeline.decoding import Choice, Decoding
from pipeline.elements import Completion
from pipeline.engines.base import EngineNeeds
from pipeline.engines.server.protocol import Said
from pipeline.engines.vllm_engine import reasoning_parser, split_reasoning
from pipeline.engines.vllm_settings import vllm_version


class Thoughts:
    """Splits what a model says, by vLLM's own parsers.

    Args:
        needs: the job's; without a reasoning parser, all is answer.

    Raises:
        RunError: if the model thinks and vLLM, whose parser is needed, is not installed here.
    """

    def __init__(self, needs: EngineNeeds) -> None:
        self._parser: Any = None
        if needs.reasoning_tokens and needs.arguments.get("reasoning_parser"):
            vllm_version()
            self._parser = reasoning_parser(needs)

    def told_apart(self, decoding: Decoding, said: Said) -> Completion:
        """The completion, with what was thought apart."""
        if self._parser is None or isinstance(decoding, Choice) or said.token_ids is None:
            return said.completion
        thought, text, num_thought = split_reasoning(self._parser, said.completion.text, said.token_ids)
        return said.completion._replace(text=text, reasoning=thought, reasoning_tokens=num_thought)
