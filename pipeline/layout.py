"""What an output folder looks like: its names, and the columns of results and dead letters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.elements import Cost, Outcome
from schemas.arrow import arrow_type
from schemas.envelope import (
    ANSWER_COLUMN,
    ERROR_COLUMN,
    GENERATED_KEY,
    ID_COLUMN,
    META_COLUMN,
    NOTICE_COLUMN,
    PLACE_COLUMN,
    REASONING_COLUMN,
    STATUS_COLUMN,
    ErrorInfo,
    Meta,
    Place,
    Status,
)

RESULTS, DEAD_LETTERS, LOG_NAME = "results", "dead_letters", "run.log"

LETTER_FIELDS = (
    pa.field(ERROR_COLUMN, arrow_type(ErrorInfo)),
    pa.field(ANSWER_COLUMN, pa.string()),
    pa.field(PLACE_COLUMN, arrow_type(Place)),
)
"""What a dead letter has after the input's columns."""


@dataclass(frozen=True)
class OutputLayout:
    """The columns of results and dead letters.

    Args:
        columns: the input's columns.
        id_column: the one with the ids; None: they are made from file and row number.
        result: the task's columns.
        model, recipe: what `meta` says of every row.
        keep_reasoning: add a column with what the model thought.
        notice: add a column with this text, for readers of what the model wrote.
        marks: what the files say of the task's columns, by name: that a model made them, and which.
        cheaper: models and recipes of a cascade before the last one.
        adapted: what the model is called with each adapter that rows may name, and that recipe.
    """

    columns: pa.Schema
    id_column: str | None
    result: pa.Schema
    model: str
    recipe: str
    keep_reasoning: bool = False
    notice: str | None = None
    marks: Mapping[str, Any] = field(default_factory=dict)
    cheaper: tuple[tuple[str, str], ...] = ()
    adapted: tuple[tuple[str, str], ...] = ()
    names: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        ours = {ID_COLUMN, STATUS_COLUMN, ERROR_COLUMN, META_COLUMN, ANSWER_COLUMN, PLACE_COLUMN}
        ours |= set(self.result.names) | {f.name for f in self._added}
        ours -= {self.id_column} & {ID_COLUMN}
        taken = ours | set(self.columns.names)
        names: dict[str, str] = {}
        for name in self.columns.names:
            new = name
            while new in (ours if new == name else taken):
                new = f"input_{new}"
            taken.add(new)
            names[name] = new
        object.__setattr__(self, "names", names)

    @property
    def renamed(self) -> dict[str, str]:
        """Input columns whose name the output needs for itself, with the name they have there."""
        return {name: new for name, new in self.names.items() if name != new}

    @property
    def results(self) -> pa.Schema:
        """id, the input's columns, and our own."""
        told = {"columns": self.result.names, **self.marks}
        if self.cheaper:
            told["cheaper_models"] = [model for model, _ in self.cheaper]
        if self.adapted:
            told["adapted_models"] = [model for model, _ in self.adapted]
        marks = {GENERATED_KEY: json.dumps(told, sort_keys=True, ensure_ascii=False)}
        return pa.schema([*self._input_fields(), *self.own], metadata=marks)

    @property
    def own(self) -> pa.Schema:
        """The columns that a run adds: the task's, thoughts and a notice if asked for, status, error, meta."""
        status = pa.field(STATUS_COLUMN, pa.string(), nullable=False)
        error = pa.field(ERROR_COLUMN, arrow_type(ErrorInfo))
        meta = pa.field(META_COLUMN, arrow_type(Meta))
        return pa.schema([*self.result, *self._added, status, error, meta])

    @property
    def _added(self) -> list[pa.Field]:
        """Those that were asked for."""
        asked = {REASONING_COLUMN: self.keep_reasoning, NOTICE_COLUMN: self.notice is not None}
        return [pa.field(name, pa.string()) for name, is_asked in asked.items() if is_asked]

    @property
    def dead_letters(self) -> pa.Schema:
        """id, the input's columns, error, answer, place."""
        return pa.schema([*self._input_fields(), *LETTER_FIELDS])

    def _input_fields(self) -> list[pa.Field]:
        id_type = pa.string() if self.id_column is None else self.columns.field(self.id_column).type
        others = [f.with_name(self.names[f.name]).with_nullable(True) for f in self.columns if f.name != ID_COLUMN]
        if ID_COLUMN in self.columns.names and self.id_column != ID_COLUMN:
            own = self.columns.field(ID_COLUMN)
            others.insert(self.columns.get_field_index(ID_COLUMN), own.with_name(self.names[ID_COLUMN]))
        return [pa.field(ID_COLUMN, id_type), *others]

    def input_arrays(self, batch: pa.RecordBatch, file_name: str, first_row: int) -> list[pa.Array]:
        """The arrays of the input's fields for one batch: the id, then every other column under its unified type."""

        def column(name: str) -> pa.Array:
            kind = self.columns.field(name).type
            if name not in batch.schema.names:
                return pa.nulls(batch.num_rows, kind)
            array = batch.column(name)
            return array if array.type == kind else array.cast(kind)

        if self.id_column is not None:
            ids = column(self.id_column)
        else:
            ids = pa.array([f"{file_name}:{first_row + i}" for i in range(batch.num_rows)], pa.string())
        skipped = {ID_COLUMN} if self.id_column == ID_COLUMN else set()
        return [ids, *(column(name) for name in self.columns.names if name not in skipped)]

    def result_arrays(self, outcomes: Sequence[Outcome]) -> list[pa.Array]:
        """The arrays of our own columns."""
        values = [o.values for o in outcomes]
        columns = zip(self.result.names, self.result.types, strict=True)
        typed = [pa.array([row.get(name) for row in values], kind) for name, kind in columns]
        if self.keep_reasoning:
            typed.append(pa.array([o.cost.reasoning for o in outcomes], pa.string()))
        if self.notice is not None:
            typed.append(pa.array([None if o.failure else self.notice for o in outcomes], pa.string()))
        status = pa.array([Status.FAILED if o.failure else Status.OK for o in outcomes], pa.string())
        return [*typed, status, _errors(outcomes), self._meta(outcomes)]

    def dead_letter_arrays(self, outcomes: Sequence[Outcome], rows: Sequence[int]) -> list[pa.Array]:
        """The arrays of error, answer and place.

        Args:
            rows: where the outcomes stand in the results file.
        """
        answers = pa.array([o.failure.answer if o.failure else None for o in outcomes], pa.string())
        places = [
            {"first": row - o.branch, "branch": o.branch, "branches": o.of}
            for o, row in zip(outcomes, rows, strict=True)
        ]
        return [_errors(outcomes), answers, pa.array(places, arrow_type(Place))]

    def _meta(self, outcomes: Sequence[Outcome]) -> pa.Array:
        kind = arrow_type(Meta)
        sources = (*self.cheaper, *self.adapted, (self.model, self.recipe))
        answered_by = [sources[o.level] for o in outcomes]
        costs = [o.cost for o in outcomes]
        columns: dict[str, list[Any]] = {
            **{name: [cost[i] for cost in costs] for i, name in enumerate(Cost._fields)},
            "model": [model for model, _ in answered_by],
            "recipe": [recipe for _, recipe in answered_by],
            "truncated": [o.truncated for o in outcomes],
        }
        arrays = [pa.array(columns[field.name], field.type) for field in kind]
        return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _errors(outcomes: Sequence[Outcome]) -> pa.Array:
    errors = [
        None if (f := o.failure) is None else {"class": f.error_class, "message": f.message, "attempts": f.attempts}
        for o in outcomes
    ]
    return pa.array(errors, arrow_type(ErrorInfo))
