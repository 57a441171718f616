"""vLLM in this process. With `vllm_settings`, `cpu_kernels`, `cpu_lora` and `vllm_server` the only one to import vllm.

It is imported once it is needed, for that takes seconds.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.decoding import Choice, Decoding, FreeText, Json
from pipeline.elements import Completion, Failure, Request
from pipeline.engines.base import Answered, EngineNeeds
from pipeline.engines.lora import refuse_changed
from pipeline.engines.vllm_settings import SPEED_ARGUMENTS, is_on_cpu, make_ready, vllm_version
from pipeline.errors import EngineDied, RunError, UsageError, one_line
from pipeline.memory import give_back_freed_blocks, no_collections
from pipeline.tokens import ModelTokenizer, encode_all, load_tokenizer
from schemas.envelope import ErrorClass

LOOP = {"max_pattern_size": 64, "min_pattern_size": 8, "min_count": 3}
"""What ends as a loop: 8 to 64 tokens, three times in a row."""


@dataclass(frozen=True)
class VllmSpec:
    """How to start vLLM in this process.

    Attributes:
        needs: the job's.
    """

    needs: EngineNeeds

    def open(self) -> "VllmEngine":
        """Load the model. Takes seconds to minutes.

        Raises:
            RunError: if vLLM is not installed or refuses.
        """
        return VllmEngine(self.needs)

    def identity(self) -> Mapping[str, Any]:
        """vLLM's minor version, and the arguments that can change an answer."""
        version = ".".join(vllm_version().split(".")[:2])
        changing = {k: v for k, v in sorted(self.needs.arguments.items()) if k not in SPEED_ARGUMENTS}
        return {"name": "vllm", "version": version, "arguments": changing}


def label_ids(decoding: Choice, tokenizer: ModelTokenizer) -> list[int]:
    """The token that each label is known by, in label order.

    Raises:
        UsageError: if two labels begin with the same token.
    """
    ids = [tokenizer.encode(surface)[0] for surface in decoding.surfaces]
    if len(set(ids)) < len(ids):
        raise UsageError(f"this model cannot tell the labels {', '.join(decoding.labels)} apart by their first token")
    return ids


def sampling_params(decoding: Decoding, tokenizer: ModelTokenizer, reasoning_tokens: int = 0) -> Any:
    """vLLM's parameters for a way of decoding; built once for all requests, for compiling a grammar is not free.

    Args:
        reasoning_tokens: what the model may spend on thinking, beside the answer; a choice allows no thinking.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind, StructuredOutputsParams

    thought = 0 if isinstance(decoding, Choice) else reasoning_tokens
    common: dict[str, Any] = {"max_tokens": decoding.max_tokens + thought, "output_kind": RequestOutputKind.FINAL_ONLY}
    if not isinstance(decoding, Choice):
        common |= {"temperature": decoding.temperature, "seed": decoding.seed}
        common |= {"frequency_penalty": decoding.frequency_penalty}
        if decoding.ends_loops:
            common["repetition_detection"] = RepetitionDetectionParams(**LOOP)
    match decoding:
        case Choice():
            ids = label_ids(decoding, tokenizer)
            # vLLM would copy all of it for each request, which takes .1 ms; it changes nothing in what a choice has.
            common |= {"skip_clone": True, "detokenize": False}
            return SamplingParams(temperature=0, allowed_token_ids=ids, logprob_token_ids=ids, **common)
        case Json():
            held = StructuredOutputsParams(json=json.loads(decoding.schema))
            return SamplingParams(structured_outputs=held, **common)
        case FreeText():
            return SamplingParams(top_p=decoding.top_p, stop=list(decoding.stop), **common)


class VllmEngine:
    """A model, loaded, and the requests it is working on."""

    def __init__(self, needs: EngineNeeds) -> None:
        self._needs = needs
        self._failures: list[Answered] = []
        self._in_flight: dict[str, Request] = {}
        self._next = 0
        self._tokenizer = load_tokenizer(_folder(needs))
        self._params = lru_cache(maxsize=4096)(self._make_params)
        self._label_ids = lru_cache(maxsize=4096)(lambda choice: label_ids(choice, self._tokenizer))
        self._engine = self._start()
        self._adapters = self._load_adapters()
        self._parser = reasoning_parser(needs)

    def _start(self) -> Any:
        vllm_version()
        try:
            arguments = make_ready(self._needs)
            from vllm import EngineArgs, LLMEngine
            from vllm.usage.usage_lib import UsageContext

            # Without a context vLLM takes 2,048 tokens a step on a GPU; for batches, it has eight times as many.
            return LLMEngine.from_engine_args(EngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS)
        except RunError:
            raise
        except Exception as error:
            raise RunError(f"vLLM did not start: {one_line(error)}", "the log file has vLLM's own words") from error

    def _load_adapters(self) -> dict[str, Any]:
        """vLLM's words for each adapter, by its name; all of them are loaded now, for a broken one spares nothing."""
        from vllm.lora.request import LoRARequest

        files = self._needs.adapters.items()
        adapters = {name: LoRARequest(name, number, one.folder) for number, (name, one) in enumerate(files, 1)}
        try:
            for name, one in adapters.items():
                self._load(name, one)
            refuse_changed(self._needs.adapters)
        except RunError:
            self.close()
            raise
        return adapters

    def _load(self, name: str, adapter: Any) -> None:
        try:
            self._engine.add_lora(adapter)
        except Exception as error:
            raise RunError(f"vLLM does not take the adapter {name}: {one_line(error)}") from error

    @property
    def window(self) -> int:
        """Twice what vLLM works on at once, so that its waiting line is never empty."""
        return 2 * int(self._engine.vllm_config.scheduler_config.max_num_seqs)

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet collected."""
        return len(self._in_flight) + len(self._failures)

    def submit(self, request: Request) -> None:
        """Hand a request to vLLM; one that it refuses becomes a failure, and the others do not notice."""
        from vllm.exceptions import VLLMClientError
        from vllm.inputs.engine import tokens_input

        key, self._next = str(self._next), self._next + 1
        prompt = tokens_input(encode_all(self._tokenizer, request.segments))
        try:
            lora = None if request.adapter is None else self._adapters[request.adapter]
            self._engine.add_request(key, prompt, self._params(request.decoding), lora_request=lora)
            self._in_flight[key] = request
        except (VLLMClientError, ValueError, UsageError) as error:
            failure = Failure(ErrorClass.REQUEST_REJECTED, one_line(error), attempts=1)
            self._failures.append((request.fingerprint, failure))

    def collect(self) -> list[Answered]:
        """One step of the scheduler: a batch of tokens for all that is running."""
        done, self._failures = self._failures, []
        if not self._in_flight:
            return done
        try:
            outputs = self._engine.step()
        except Exception as error:
            raise EngineDied(f"vLLM failed: {one_line(error)}", "the log file has vLLM's own words") from error
        finished = [output for output in outputs if output.finished]
        for output in finished:
            request = self._in_flight.pop(output.request_id)
            done.append((request.fingerprint, self._completion(request.decoding, output)))
        return done

    def abort(self, fingerprints: Iterable[bytes]) -> None:
        """Let vLLM forget requests."""
        dropped = set(fingerprints)
        keys = [key for key, request in self._in_flight.items() if request.fingerprint in dropped]
        self._engine.abort_request(keys)
        for key in keys:
            del self._in_flight[key]
        self._failures = [(key, failure) for key, failure in self._failures if key not in dropped]

    def _make_params(self, decoding: Decoding) -> Any:
        return sampling_params(decoding, self._tokenizer, self._needs.reasoning_tokens)

    def _completion(self, decoding: Decoding, output: Any) -> Completion:
        (answer,) = output.outputs
        text, logprobs, thought, num_thought = answer.text, None, None, 0
        if isinstance(decoding, Choice):
            ids = self._label_ids(decoding)
            logprobs = tuple(float(answer.logprobs[0][token].logprob) for token in ids)
            text = decoding.labels[ids.index(answer.token_ids[0])]
        elif self._parser is not None:
            thought, text, num_thought = split_reasoning(self._parser, answer.text, list(answer.token_ids))
        return Completion(
            text=text,
            label_logprobs=logprobs,
            prompt_tokens=len(output.prompt_token_ids),
            cached_prompt_tokens=output.num_cached_tokens or 0,
            output_tokens=len(answer.token_ids),
            finish_reason=str(answer.finish_reason),
            run_id=self._needs.run_id,
            reasoning=thought,
            reasoning_tokens=num_thought,
        )

    def close(self) -> None:
        """Shut vLLM down and give back its memory."""
        engine, self._engine = self._engine, None
        self._in_flight.clear()
        if engine is not None:
            # On a CPU weights and cache go with their last reference.
            with no_collections() if is_on_cpu() else nullcontext():
                engine.engine_core.shutdown()
            del engine
            give_back_freed_blocks()


def reasoning_parser(needs: EngineNeeds) -> Any:
    """vLLM's own parser of thoughts, for a model that has any; else None."""
    name = needs.arguments.get("reasoning_parser")
    if not name:
        return None
    from vllm.reasoning import ReasoningParserManager
    from vllm.tokenizers import get_tokenizer

    return ReasoningParserManager.get_reasoning_parser(name)(get_tokenizer(needs.model_folder))


def split_reasoning(parser: Any, text: str, token_ids: list[int]) -> tuple[str | None, str, int]:
    """What a model thought, what it answered after that (nothing if it never did), and the tokens of the thought.

    Args:
        parser: one of vLLM's reasoning parsers.
    """
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    thought, answer = parser.extract_reasoning(text, ChatCompletionRequest(messages=[], model="any"))
    return thought, (answer or "").strip(), len(token_ids) - len(parser.extract_content_ids(token_ids))


def _folder(needs: EngineNeeds) -> Path:
    if needs.model_folder is None:
        raise UsageError("vLLM needs a model")
    return Path(needs.model_folder)
