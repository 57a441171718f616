"""--redact on whole runs: no planted value in anything that a run writes, and --restore where it was asked for."""

import gzip
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.redrive import redrive
from jobs.settings import merge
from jobs.terminal import Terminal
from pipeline.engines.scripted import ScriptedEngine
from pipeline.errors import UsageError
from pipeline.prompts import readable

PLANTED = {
    "email": "jane.roe@private.example",
    "phone": "+34 612 345 678",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ip": "203.0.113.77",
    "national_id": "12345678Z",
    "url": "https://shop.example/login?token=s3cr3tT0ken",
    "name": "Maria Rossi",
}
SECRETS = [*PLANTED.values(), "s3cr3tT0ken", "Rossi"]
TEXTS = [f"Please answer, my data is {value} as you know." for value in PLANTED.values()]
ASKED = {
    "sentiment": {},
    "translate": {"to": ["es", "de"], "source": "en"},
    "reply": {},
}
CONTEXT = {"sentiment": 3000, "translate": 4096, "reply": 20_000}
"""Tokens, which are bytes with the scripted engine."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts that the engine sees."""
    prompts: list[str] = []
    act = ScriptedEngine.submit

    def submit(self, request) -> None:
        prompts.append(readable(request.segments))
        act(self, request)

    monkeypatch.setattr(ScriptedEngine, "submit", submit)
    return prompts


def _input(write_parquet) -> Path:
    long = " ".join(f"word{i} {PLANTED['email']}" for i in range(250))
    broken = [f"caf\xe9 {value}".encode("latin-1") for value in PLANTED.values()]
    texts = [*(text.encode() for text in TEXTS), *broken, long.encode(), b"", None]
    return write_parquet({"id": list(range(len(texts))), "text": pa.array(texts, pa.binary())})


def _content(folder: Path) -> dict[str, str]:
    """Every file as text: Parquet decompressed, row by row, with its metadata; the bytes of all others, and names."""
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        raw = file.read_bytes()
        text = raw.decode(errors="replace") + str(file)
        if raw[:4] == b"PAR1":
            table = pq.read_table(file)
            metadata = [
                pq.read_metadata(file).row_group(i).to_dict() for i in range(pq.read_metadata(file).num_row_groups)
            ]
            rows = [
                {n: v.decode(errors="replace") if isinstance(v, bytes) else v for n, v in row.items()}
                for row in table.to_pylist()
            ]
            text += json.dumps(rows, ensure_ascii=False, default=str) + str(metadata) + str(table.schema)
        if raw[:2] == b"\x1f\x8b":
            text += gzip.decompress(raw).decode(errors="replace")
        found[str(file.relative_to(folder))] = text
    return found


def _leaks(contents: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, secret) for name, text in contents.items() for secret in SECRETS if secret in text]


@pytest.mark.parametrize("task", ASKED)
def test_nothing_planted_is_in_anything_that_a_run_writes(
    task, run, write_parquet, tmp_path, home, asked, monkeypatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    source = _input(write_parquet)
    manifest = run(
        source, task=task, options=ASKED[task], redact=True, on_too_long="fail", context_tokens=CONTEXT[task]
    )
    written = {**_content(tmp_path / "out"), **_content(home), **_content(scratch)}
    assert any(name.endswith("run.log") for name in written)
    assert any("dead_letters" in name for name in written)
    assert _leaks(written) == []
    assert asked
    assert _leaks({"prompts": "\n".join(asked)}) == []
    assert set(PLANTED) == set(manifest.counts.redacted)
    assert manifest.counts.failed >= len(PLANTED) + 2
    assert _leaks(_content(source.parent)), "what is looked for would be found"


def test_the_same_planted_values_are_written_without_it(run, write_parquet, tmp_path, asked) -> None:
    run(_input(write_parquet))
    assert {secret for _, secret in _leaks(_content(tmp_path / "out"))} == set(SECRETS)


def test_rows_that_differ_in_personal_data_only_are_asked_once(run, write_parquet) -> None:
    texts = [f"Mail me at person{i}@private.example, it is broken" for i in range(20)]
    assert run(write_parquet({"text": texts}), redact=True).counts.sent == 1


def test_restored_results_have_the_values_and_dead_letters_do_not(run, write_parquet, results, asked) -> None:
    texts = [f"Write to {PLANTED['email']} today, please, {i}.".encode() for i in range(2)]
    broken = f"caf\xe9 {PLANTED['email']}".encode("latin-1")
    file = write_parquet({"text": pa.array([*texts, broken], pa.binary())})
    run(file, task="translate", options={"to": ["es"], "source": "en"}, redact=True, restore=True, on_too_long="fail")
    rows = results().to_pylist()
    assert [row["text"] for row in rows if row["status"] == "ok"] == texts
    assert all(PLANTED["email"] not in prompt for prompt in asked)
    letters = results(kind="dead_letters")
    assert letters.num_rows == 1
    assert "[EMAIL_1]" in str(letters.to_pylist())
    assert PLANTED["email"] not in str(letters.to_pylist())


def test_a_translation_gets_its_values_back(run, write_parquet, results) -> None:
    file = write_parquet({"text": [f"Escribe a {PLANTED['email']} hoy."]})
    manifest = run(file, task="translate", options={"to": ["es"], "source": "es"}, redact=True, restore=True)
    assert [row["translation"] for row in results().to_pylist()] == [f"Escribe a {PLANTED['email']} hoy."]
    run(file, task="translate", options={"to": ["es"], "source": "es"}, redact=True)
    (row,) = results().to_pylist()
    assert (row["translation"], row["text"]) == ("Escribe a [EMAIL_1] hoy.", "Escribe a [EMAIL_1] hoy.")
    assert manifest.counts.redacted == {"email": 1}


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_columns_keep_their_types(kind, run, write_parquet, results) -> None:
    file = write_parquet({"text": pa.array(["a b@c.example", None, "fine"]).cast(kind)})
    run(file, redact=True)
    before = pq.read_table(file)["text"]
    table = results()
    assert table["text"].type == before.type
    texts = table["text"].cast(pa.large_string()).to_pylist()
    assert texts == ["a [EMAIL_1]", None, "fine"]


def test_conversations_are_searched_in_lists_and_in_json(run, write_parquet, results) -> None:
    turns = [{"role": "customer", "text": f"Hello\n{PLANTED['email']}"}, {"role": "agent", "text": "Yes?"}]
    escaped = json.dumps([{**turns[0], "text": turns[0]["text"].replace("@", "\\u0040")}]).replace("\\\\u", "\\u")
    for messages in (pa.array([turns]), pa.array([json.dumps(turns), escaped])):
        run(write_parquet({"messages": messages}), task="reply", redact=True, context_tokens=20_000)
        for row in results().to_pylist():
            assert row["status"] == "ok"
            assert "private" not in str(row)
            assert "[EMAIL_1]" in str(row["messages"])


def test_other_columns_stay_unless_named(run, write_parquet, results) -> None:
    file = write_parquet({"text": ["fine"], "note": [TEXTS[0]], "phone": [34612345678]})
    run(file, redact=True)
    assert results()["note"].to_pylist() == [TEXTS[0]]
    run(file, redact=True, redact_columns=["note"], empty_columns=["phone"])
    assert results()["note"].to_pylist() == ["Please answer, my data is [EMAIL_1] as you know."]
    assert (results()["phone"].to_pylist(), results()["phone"].type) == ([None], pa.int64())


@pytest.mark.parametrize(
    "settings",
    [
        {"restore": True},
        {"redact": True, "redact_kinds": ["mail"]},
        {"redact": True, "redact_regions": ["XX"]},
        {"redact": True, "redact_columns": ["none"]},
        {"redact": True, "redact_columns": ["id"]},
        {"redact": True, "redact_columns": ["n"]},
        {"redact": True, "redact_columns": ["seen"]},
        {"redact": True, "empty_columns": ["text"]},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(settings, run, write_parquet) -> None:
    seen = pa.array([{"by": "Ann", "at": 1}], pa.struct([("by", pa.string()), ("at", pa.timestamp("ns"))]))
    with pytest.raises(UsageError):
        run(write_parquet({"id": ["a"], "text": ["fine"], "n": [1], "seen": seen}), **settings)


def test_kinds_may_come_as_one_text_from_the_environment() -> None:
    given = {"task": "sentiment", "inputs": ["a"], "output": "b"}
    config = merge(given, {"TEXTMILL_REDACT": "1", "TEXTMILL_REDACT_KINDS": "email,phone"}, {})
    assert (config.redact, config.redact_kinds) == (True, ("email", "phone"))


@pytest.mark.parametrize("restored", [False, True])
def test_dead_letters_are_redriven_as_the_run_was(restored, run, write_parquet, results, tmp_path, asked) -> None:
    text = f"{PLANTED['email']} " * 300
    run(write_parquet({"text": [text, "fine"]}), redact=True, restore=restored, on_too_long="fail", context_tokens=2000)
    assert "private" not in str(results(kind="dead_letters").to_pylist())
    done = redrive(tmp_path / "out", [], {"context_tokens": 20_000, "on_too_long": "truncate"}, Terminal(io.StringIO()))
    assert (done.manifest.counts.failed, done.manifest.counts.redacted) == (0, {"email": 1})
    assert ("private" in str(results()["text"].to_pylist())) == restored
    assert all("private" not in prompt for prompt in asked)
