"""What tasks read answers with: probabilities of a choice, and JSON held to a model."""

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.decoding import Json
from pipeline.elements import Completion
from pipeline.errors import RowError
from schemas.envelope import ErrorClass

ModelT = TypeVar("ModelT", bound=BaseModel)


def choice_probabilities(completion: Completion, labels: Sequence[str]) -> dict[str, float]:
    """The probability of each label, which add up to 1, from the log-probabilities of the labels' tokens.

    Raises:
        RowError: if the engine gave none for just these labels.
    """
    logprobs = completion.label_logprobs
    if logprobs is None or len(logprobs) != len(labels) or not math.isfinite(sum(logprobs)):
        raise RowError(ErrorClass.INVALID_ANSWER, "the engine gave no probabilities for the labels", completion.text)
    highest = max(logprobs)
    weights = [math.exp(value - highest) for value in logprobs]
    total = sum(weights)
    return dict(zip(labels, [weight / total for weight in weights], strict=True))


def uncertainty_of(probabilities: Sequence[float]) -> float:
    """Entropy over its maximum, in [0, 1]; 0 is certain."""
    if len(probabilities) < 2:
        return 0.0
    entropy = -sum([p * math.log(p) for p in probabilities if p > 0])
    return min(1.0, entropy / math.log(len(probabilities)))


@lru_cache(maxsize=64, typed=True)
def json_decoding(model: type[BaseModel], max_tokens: int, temperature: float = 0.0, seed: int = 0) -> Json:
    """Decoding that is held to a model's JSON schema."""
    schema = json.dumps(model.model_json_schema(), sort_keys=True, ensure_ascii=False)
    return Json(schema, max_tokens, temperature, seed)


def read_json(completion: Completion, model: type[ModelT]) -> ModelT:
    """The answer as a model.

    Raises:
        RowError: if it was cut off, is no JSON, or not what the model allows; the message is fit for the model to read.
    """
    if completion.ran_on:
        why = "says the same over and over" if completion.finish_reason == "repetition" else "is too long"
        raise RowError(ErrorClass.INVALID_ANSWER, f"the answer {why} and was cut off", completion.text)
    try:
        return model.model_validate_json(completion.text.strip())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = f"{where + ': ' if where else ''}{first['msg']}"
        raise RowError(ErrorClass.INVALID_ANSWER, message, completion.text) from None
