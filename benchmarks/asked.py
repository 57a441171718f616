"""What a job asks: its questions and requests, as the flow makes them, for sides that ask an engine by themselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from corpora import own_rows, unique_reviews

from pipeline.elements import Question, Request
from pipeline.flow import Plan
from pipeline.requests import Prompter
from pipeline.rows import read_rows
from pipeline.validation import validate_row

TASK_OPTIONS: dict[str, dict[str, Any]] = {
    "sentiment": {},
    "translate": {"to": ["es"], "source": "en", "retry": False},
    "generate": {"retry": False, "temperature": 0.0},
}
"""One try for each answer, so that a job asks just what a bare engine is asked."""


def write_input(file: Path, task: str, num_rows: int) -> Path:
    """Rows for a task, all different: reviews, or briefs that ask for texts of very different lengths."""
    if task == "generate":
        briefs = own_rows("briefs")
        rows = [
            {**brief, "topic": f"{brief['topic']} ({i // len(briefs) + 1})"}
            for i, brief in enumerate(briefs * -(-num_rows // len(briefs)))
        ]
        pq.write_table(pa.Table.from_pylist(rows[:num_rows]), file)
    else:
        pq.write_table(pa.table({"text": unique_reviews(num_rows)}), file)
    return file


def questions_of(plan: Plan) -> Iterator[Question]:
    """What the rows ask in the first round, in their order."""
    for part in plan.parts:
        for row in read_rows(part, plan.columns, redaction=plan.redaction):
            yield from plan.task.questions(validate_row(plan.task, row))


def requests_of(plan: Plan) -> list[Request]:
    """The same as requests, each once."""
    prompter = Prompter(plan.rules)
    requests = (prompter.request(question)[0] for question in questions_of(plan))
    return list({request.fingerprint: request for request in requests}.values())
