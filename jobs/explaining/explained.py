"""What is told of a row: the fields are the JSON of `textmill explain`."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Asked(_Part):
    """One request and what came back.

    Attributes:
        round: in which round of asking, from 1.
        prompt: all that the model read, in order: the chat template's own words and, between them, the row's.
        row_text: the pieces of the prompt that came from the row, or from answers to it.
        guarded: orders to the model were left out of the row's text.
        truncated: the row's text was cut.
        decoding: how the answer was drawn.
        answer, reasoning: as the model gave them; null if the store has none.
        probabilities: of a choice, by label.
        stored_in: the part of the store that has the answer.
        problem: why there is no answer.
    """

    round: int
    name: str
    fingerprint: str
    prompt: str
    row_text: list[str]
    guarded: bool = False
    truncated: bool = False
    decoding: dict[str, Any]
    answer: str | None = None
    reasoning: str | None = None
    probabilities: dict[str, float] | None = None
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str | None = None
    run_id: str | None = None
    stored_in: str | None = None
    problem: str | None = None


class ResultRow(_Part):
    """One result of the row.

    Attributes:
        file, row: where it is written; rows count from 0.
        values: the task's columns.
        rebuilt: whether the stored answers, read again, give these values; null if answers are missing.
    """

    file: str
    row: int
    values: dict[str, Any]
    status: str
    error: dict[str, Any] | None
    checks: list[dict[str, Any]]
    meta: dict[str, Any]
    rebuilt: bool | None = None


class Origin(_Part):
    """Where the row was read from; `row` counts from 0, and null: the file is not there any more, or was changed."""

    file: str
    row: int | None
    note: str | None = None


class NamedAdapter(_Part):
    """The adapter that the row named and was answered with; `digest` is of its weights."""

    name: str
    folder: str
    digest: str


class Explained(_Part):
    """All about one row of a run.

    Attributes:
        adapter: null: the model as it is, or as the run used it for all rows.
        origins: where it may have been read from: several if ids are not unique.
        read: the columns that the task read, by record field, without the personal data that it did not read.
        notes: what could not be rebuilt, and why.
    """

    id: str
    run_id: str
    task: str
    model: dict[str, Any]
    adapter: NamedAdapter | None = None
    recipe: str
    store: str
    manifest: str
    origins: list[Origin]
    read: dict[str, Any]
    asked: list[Asked]
    results: list[ResultRow]
    notes: list[str]
