"""Classification and extraction on the real engine: the form of the answers is the job's, however small the model."""

import json
from pathlib import Path

import jsonschema
import pytest

from jobs.samples import write_own
from pipeline.models import Model

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves

DATA = Path("jobs/data").absolute()
SETTINGS = {"engine": "vllm", "model": "smollm2-135m"}


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    file = tmp_path / "tickets.parquet"
    write_own("tickets", file)
    return file


@pytest.mark.parametrize("multi", [False, True])
def test_every_ticket_has_the_probabilities_of_all_labels(
    multi: bool, smollm2: Model, tickets: Path, run, results
) -> None:
    settings = {**SETTINGS, "limit": 4 if multi else 12}
    options = {"labels": str(DATA / "labels.toml"), "multi": multi}
    first = run(tickets, "first", task="classify", options=options, **settings)
    assert first.counts.ok == first.counts.rows == settings["limit"]
    assert first.tokens.cached_prompt > 0
    for row in results("first").to_pylist():
        p = {part["label"]: part["probability"] for part in row["probabilities"]}
        assert len(p) == 6
        assert row["probability"] == p[row["label"]] == max(p.values())
        if multi:
            assert row["labels"] == [label for label in p if p[label] >= 0.5]
        else:
            assert sum(p.values()) == pytest.approx(1)
    again = run(tickets, "again", task="classify", options=options, **settings)
    assert (again.counts.sent, again.seconds["engine_start"]) == (0, 0)
    assert results("again").equals(results("first"))


def test_every_order_is_what_the_schema_says(smollm2: Model, tickets: Path, run, results) -> None:
    file = DATA / "order.schema.json"
    schema = json.loads(file.read_text())
    options = {"json_schema": str(file), "max_tokens": 128, "retry": False}
    settings = {**SETTINGS, "task": "extract", "limit": 12, "options": options}
    first = run(tickets, "first", **settings)
    assert set(first.counts.failed_by_class) <= {"invalid_answer"}
    assert first.counts.ok >= 6
    for row in results("first").to_pylist():
        if row["status"] == "ok":
            day = row["delivery_date"]
            values = {name: row[name] for name in schema["properties"]}
            jsonschema.validate({**values, "delivery_date": day and day.isoformat()}, schema)
            assert [check["name"] for check in row["checks"]] == ["grounded"]
    again = run(tickets, "again", **settings)
    assert (again.counts.sent, again.seconds["engine_start"]) == (0, 0)
    assert results("again").equals(results("first"))
