"""What every output row carries around the task's own columns."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

ID_COLUMN = "id"
STATUS_COLUMN = "status"
ERROR_COLUMN = "error"
META_COLUMN = "meta"
REASONING_COLUMN = "reasoning"
"""Only when asked for: what the model thought before it answered."""
NOTICE_COLUMN = "notice"
"""Only when asked for: a text for readers that says that a model wrote it."""
GENERATED_KEY = "textmill.generated"
"""Of the key-value metadata of a results file: what marks its columns as made by a model, as JSON."""
ANSWER_COLUMN = "answer"
"""Dead letters only: what the model answered, null when it was never asked."""
PLACE_COLUMN = "place"
"""Dead letters only: where the failed result stands."""


class Status(StrEnum):
    """Whether a row has a result."""

    OK = "ok"
    FAILED = "failed"


class ErrorClass(StrEnum):
    """Why a row has no result. The list is closed: a reader can switch over it."""

    NULL_TEXT = "null_text"
    EMPTY_TEXT = "empty_text"
    INVALID_TEXT = "invalid_text"
    INVALID_ROW = "invalid_row"
    PROMPT_TOO_LONG = "prompt_too_long"
    REQUEST_REJECTED = "request_rejected"
    ENGINE_DIED = "engine_died"
    DEADLINE = "deadline"
    OVER_BUDGET = "over_budget"
    INVALID_ANSWER = "invalid_answer"
    CHECK_FAILED = "check_failed"


class ErrorInfo(BaseModel):
    """Why a row failed, as written in the `error` column.

    Attributes:
        error_class: one of `ErrorClass`; the column's field is named `class`.
        message: one line for a person.
        attempts: how often the engine was asked; 0 when the row never got that far.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    error_class: ErrorClass = Field(alias="class")
    message: str
    attempts: int = Field(ge=0)


class Place(BaseModel):
    """Where a dead letter's failed result stands, in the results file of the same name: at row `first + branch`.

    Attributes:
        first: the row of that file at which the results of the input row begin, counted from 0: dead letters of one
            input row have it in common.
        branch, branches: which of the row's results failed, and how many it has.
    """

    model_config = ConfigDict(frozen=True)

    first: int = Field(ge=0)
    branch: int = Field(ge=0)
    branches: int = Field(ge=1)


class Meta(BaseModel):
    """Where a row's answer came from, as written in the `meta` column.

    Attributes:
        model: the model's name.
        recipe: digest of everything but the text that decides the answer.
        run_id: the run whose engine computed the answer, the last one if there were several. It is not the
            manifest's run when the answer was taken from the completion store, so equal runs write equal rows. Null
            when no engine answered.
        requests: how many requests are behind the result; a request that several rows made counts in each.
        prompt_tokens: length of the prompts.
        cached_prompt_tokens: how many of them the engine's prefix cache already held.
        output_tokens: length of what the model wrote, thoughts included.
        reasoning_tokens: how much of that it thought before it answered.
        finish_reason: the engine's word for why the last one stopped (`stop`, `length`, `repetition`).
        truncated: the row's text was cut to fit the context.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    recipe: str
    run_id: str | None
    requests: int
    prompt_tokens: int | None
    cached_prompt_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    finish_reason: str | None
    truncated: bool
