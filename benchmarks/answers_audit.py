"""Every row that a job writes is valid, and keeps what its checks say it keeps: looked at by code that is not ours.

Runs each job on at least `--rows` rows, hard ones among them (`corpora.HARD_TEXTS`), and reads the results as a user
would. A row counts as valid if the `jsonschema` library says that it is what the task's published JSON schema
describes. Where checks say that placeholders or URLs, required or forbidden words came through, patterns of this file
count those that did. Prints one table; writes `benchmarks/answers_audit.json`; `--keep FOLDER` leaves the outputs to be
looked at.

    python benchmarks/answers_audit.py --model qwen2.5-0.5b --rows 500
"""

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from corpora import HARD_TEXTS, own_rows, parallel_sentences, unique_reviews

Row = dict[str, Any]
_HERE = Path(__file__).resolve()
_DATA = _HERE.parent.parent / "jobs" / "data"
_LANGUAGES = ("es", "de")


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes:
        rows: given how many at least, the input.
        flags: of the command.
        claims: for each check that is looked into, what of a row it vouches for: expected and found.
    """

    command: str
    rows: Callable[[int], list[Row]]
    flags: tuple[str, ...] = ()
    claims: dict[str, Callable[[Row], tuple[Counter[str], Counter[str]] | None]] | None = None


def _texts(num_rows: int) -> list[Row]:
    return [{"id": f"hard: {name}", "text": text} for name, text in HARD_TEXTS.items()] + [
        {"id": f"review {i}", "text": text} for i, text in enumerate(unique_reviews(num_rows))
    ]


def _tickets(num_rows: int) -> list[Row]:
    return [{"id": row["id"], "text": row["text"]} for row in own_rows("tickets")] + _texts(max(0, num_rows - 60))


def _sentences(num_rows: int) -> list[Row]:
    """Real interface strings and sentences of our own; every fourth of the former with a link put behind it."""
    own = [{"id": row["id"], "text": row["text"]} for row in own_rows("sentences")]
    real = [pair["en"] for pair in parallel_sentences(_LANGUAGES, num_rows)]
    linked = [
        f"{text} See https://example.org/docs/{i}?lang=en&v={i % 7}#part-{i}." if i % 4 == 0 else text
        for i, text in enumerate(real)
    ]
    hard = [{"id": f"hard: {name}", "text": text} for name, text in HARD_TEXTS.items()]
    return hard + own + [{"id": f"string {i}", "text": text} for i, text in enumerate(linked)]


def _briefs(num_rows: int) -> list[Row]:
    """As many variants of our own briefs as it takes, and briefs that are none."""
    rows = own_rows("briefs")
    variants = -(-num_rows // len(rows))
    hard: list[Row] = [
        {"id": f"hard: {name}", "topic": text[:400], "facts": [text]} for name, text in HARD_TEXTS.items()
    ]
    hard += [{"id": "hard: empty", "topic": "", "facts": []}, {"id": "hard: null", "topic": None, "facts": None}]
    return [{**row, "variants": variants} for row in rows] + [{**dict.fromkeys(rows[0]), **row} for row in hard]


def _conversations(num_rows: int) -> list[Row]:
    own = [{name: row[name] for name in ("id", "messages", "product", "policy")} for row in own_rows("conversations")]
    said = [
        {"id": row["id"], "messages": [{"role": "customer", "text": row["text"]}]}
        for row in _texts(max(0, num_rows - 60))
    ]
    return own + [{**row, "product": None, "policy": None} for row in said]


_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]\b|\{\{.*?\}\}|\{\w*\}|</?[a-z]+[^<>]*>")
_URL = re.compile(r"https?://[\w.-]+(?:/[\w/?=&#.;%-]*[\w/])?")


_TAG = re.compile(r"<[^>]*>")
"""A URL in a tag is the tag's: the check of placeholders and tags vouches for it."""


def _found(
    pattern: re.Pattern[str], but_not: re.Pattern[str] | None = None
) -> Callable[[Row], tuple[Counter[str], Counter[str]] | None]:
    def count(text: str) -> Counter[str]:
        return Counter(pattern.findall(but_not.sub(" ", text) if but_not else text))

    def look(row: Row) -> tuple[Counter[str], Counter[str]] | None:
        expected = count(row["text"])
        return (expected, count(row["translation"])) if expected else None

    return look


def _words(column: str, wanted: bool) -> Callable[[Row], tuple[Counter[str], Counter[str]] | None]:
    def look(row: Row) -> tuple[Counter[str], Counter[str]] | None:
        words = [word.casefold() for word in row[column] or ()]
        parts = [row["title"], row["body"], *(row["sections"] or ()), *(row["hashtags"] or ())]
        text = " ".join(" ".join(part for part in parts if part).casefold().split())
        pattern = r"(?<!\w){}(?!\w)"
        here = [
            word for word in words if (word in text if wanted else re.search(pattern.format(re.escape(word)), text))
        ]
        return (Counter(words if wanted else ()), Counter(here)) if words else None

    return look


_JOBS = {
    "sentiment": Job("sentiment", _texts, ("--aspect", "quality", "--aspect", "price")),
    "aspects": Job("sentiment", _texts, ("--aspects", "open", "--prompt-form", "chat")),
    "translate": Job(
        "translate",
        _sentences,
        (*(f"--to={language}" for language in _LANGUAGES), "--glossary", str(_DATA / "glossary.toml")),
        {"placeholders": _found(_PLACEHOLDER), "urls": _found(_URL, but_not=_TAG)},
    ),
    "generate": Job(
        "generate",
        _briefs,
        (),
        {"required_words": _words("must_include", True), "forbidden_words": _words("must_not_include", False)},
    ),
    "reply": Job("reply", _conversations),
    "classify": Job("classify", _tickets, ("--labels", str(_DATA / "labels.toml"))),
    "extract": Job("extract", _tickets, ("--schema", str(_DATA / "order.schema.json"))),
}


def main() -> None:
    """Run the jobs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen2.5-0.5b")
    parser.add_argument("--rows", type=int, default=500, help="at least so many results of each job")
    parser.add_argument("--job", action="append", choices=list(_JOBS), help="only this one; may be repeated")
    parser.add_argument("--keep", type=Path, help="where to leave the outputs")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(TemporaryDirectory()))
        audits = {}
        for name in args.job or _JOBS:
            audits[name] = _audit(_JOBS[name], folder / name, args)
            _print(name, audits[name])
    content = {"model": args.model, "rows": args.rows, "jobs": audits}
    _HERE.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _audit(job: Job, folder: Path, args: argparse.Namespace) -> Row:
    folder.mkdir(parents=True, exist_ok=True)
    rows = job.rows(args.rows)
    pq.write_table(pa.Table.from_pylist(rows), folder / "in.parquet")
    command = [sys.executable, "-m", "jobs.cli", job.command, str(folder / "in.parquet"), str(folder / "out")]
    command += [*job.flags, "--id", "id", "--model", args.model, "--store", str(folder / "store"), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    manifest = json.loads(done.stdout)
    results = ds.dataset(folder / "out/results").to_table().to_pylist()
    ok = [row for row in results if row["status"] == "ok"]
    lost = {row["id"] for row in rows} ^ {row["id"] for row in results}
    schema = _schema(manifest)
    validator = jsonschema.Draft202012Validator(schema)
    return {
        "rows": len(rows),
        "results": len(results),
        "rows_lost": len(lost),
        "ok": len(ok),
        "failed": dict(Counter(row["error"]["class"] for row in results if row["status"] != "ok")),
        "invalid": [row["id"] for row in ok if not validator.is_valid(_answer(row, schema))],
        "checks": {name: [c["passed"], c["failed"]] for name, c in manifest["counts"]["checks"].items()},
        "claims": {name: _claim(ok, name, look) for name, look in (job.claims or {}).items()},
        "seconds": manifest["seconds"]["total"],
        "tokens": manifest["tokens"],
    }


def _schema(manifest: Row) -> Row:
    """The JSON schema of a task's results, as the task says it."""
    from jobs.inquiry import make_task
    from jobs.tasks import find_task
    from pipeline.models import Model

    task = make_task(find_task(manifest["task"]), manifest["config"]["options"], "chat", Model("-", None, "-"))
    return task.result.model_json_schema()


def _answer(row: Row, schema: Row) -> Row:
    """The task's columns of a row as JSON has them: dates and times are text there."""
    answer: Row = json.loads(json.dumps({name: row[name] for name in schema["properties"]}, default=str))
    return answer


def _claim(rows: list[Row], check: str, look: Callable[[Row], Any]) -> Row:
    """Of the rows for which a check vouches, and which have anything to look for: how many are right."""
    seen = [found for row in rows if check in _passed(row) and (found := look(row))]
    wrong = [(dict(expected), dict(found)) for expected, found in seen if expected != found]
    return {"rows": len(seen), "right": len(seen) - len(wrong), "wrong": wrong[:5]}


def _passed(row: Row) -> Iterator[str]:
    return (check["name"] for check in row["checks"] if check["passed"])


def _print(name: str, audit: Row) -> None:
    failed = ", ".join(f"{number} {what}" for what, number in audit["failed"].items()) or "0 failed"
    print(
        f"{name:10} {audit['rows']:5} rows, {audit['rows_lost']} lost; {audit['results']:5} results: "
        f"{audit['ok']} ok, {failed}; {len(audit['invalid'])} of the ok ones invalid; {audit['seconds']:.0f} s",
        flush=True,
    )
    for check, claim in audit["claims"].items():
        share = claim["right"] / max(1, claim["rows"])
        print(f"{'':10} {check}: {claim['right']} of {claim['rows']} rows that pass it are right ({share:.1%})")
        for expected, found in claim["wrong"]:
            print(f"{'':12} expected {expected}, found {found}")
    checks = {check: counts for check, counts in audit["checks"].items() if sum(counts)}
    if checks:
        print(f"{'':10} passed: " + ", ".join(f"{n} {p / (p + f):.0%} of {p + f}" for n, (p, f) in checks.items()))


if __name__ == "__main__":
    main()
