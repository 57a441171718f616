"""The report as a whole: what stands in it, and that nothing of a row ever becomes more than text."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.report.blocks import Block, Chapter
from jobs.report.chapters import make_chapter
from jobs.report.make import make_report
from jobs.report.source import open_source
from jobs.samples import write_own
from pipeline.errors import UsageError
from schemas.evaluation import (
    Evaluation,
    FieldScore,
    Figure,
    HumanCeiling,
    LabelFigures,
    Reliability,
    ReliabilityBin,
    Slice,
    Slices,
    WorstSlice,
)
from tests.jobs.test_cli import invoke

MARK = "EVIL"
HOSTILE = (
    f"<script>alert('{MARK}')</script>",
    f"\"><img src=x onerror=alert('{MARK}')>",
    f"</style><style>@import 'http://{MARK}/x.css';*{{background:url(http://{MARK}/y)}}</style>",
    f"</text></svg><svg onload=alert('{MARK}')><a href='javascript:{MARK}'>",
    f"{{{{ {MARK} }}}} {{% raw %}} ${{{MARK}}} <!-- {MARK}",
    MARK + "\x00\x1b[31m\u202e\u2066 \u0627\u0644\u0639\u0631\u0628\u064a\u0629" + 90 * "\u0301",
    f"{MARK}{'W' * 100_000}",
    f"&lt;b&gt;{MARK}&amp;#x27; '\" ` \\ | ]]> -->",
    f"www.{MARK}.com WwW.{MARK}.com HTTPS://{MARK}.com Ftp://{MARK}.com me@{MARK}.com @{MARK}",
)


class Page(HTMLParser):
    """What a browser would make of a page: elements, attributes, texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        if tag not in ("meta", "br", "path", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))


TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "nav", "ol", "ul", "li", "a", "p", "h1"),
    *("h2", "h3", "h4", "h5", "b", "strong", "small", "span", "div", "section", "article", "figure", "figcaption"),
    *("table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "footer", "svg", "g", "path", "text"),
    *("line", "rect", "i"),
}
STYLING = {
    *("lang", "charset", "name", "content", "http-equiv", "class", "id", "href", "dir", "scope", "role"),
    *("aria-label", "aria-hidden", "style", "viewbox", "fill", "stroke", "stroke-width", "stroke-miterlimit"),
    *("stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-opacity", "transform", "width", "height"),
    *("d", "x", "y", "x1", "x2", "y1", "y2", "opacity", "fill-opacity", "font-family", "font-size", "font-weight"),
    *("text-anchor", "pointer-events", "display", "xml:space", "aria-roledescription"),
}


def check_harmless(html: str) -> Page:
    """No element, attribute or reference comes of a row, and nothing is fetched from anywhere."""
    page = Page(html)
    assert page.tags <= TAGS, page.tags - TAGS
    names = {name for name, _ in page.attributes}
    assert names <= STYLING, names - STYLING
    for name, value in page.attributes:
        assert MARK.casefold() not in value.casefold(), (name, value)
        assert not re.search(
            r"(?i)https?:|//|javascript:|url\(|expression|data:\w", value.replace("data:", "data: ")
        ), value
    styles = [text for tag, text in page.texts if tag == "style"]
    assert len(styles) == 1
    assert not re.search(rf"(?i)@import|url\(|https?:|{MARK}|expression", styles[0])
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    return page


def hostile(value: Any, kind: pa.DataType, draw: list[int]) -> Any:
    """The value with every text in it replaced."""
    if value is None:
        return None
    if pa.types.is_string(kind):
        draw[0] += 1
        return HOSTILE[draw[0] % len(HOSTILE)]
    if pa.types.is_list(kind):
        return [hostile(one, kind.value_type, draw) for one in value]
    if pa.types.is_struct(kind):
        return {field.name: hostile(value[field.name], field.type, draw) for field in kind}
    return value


def poison(output: Path) -> None:
    """Replace every text in a run's results, dead letters and manifest, names of columns of the input included."""
    draw = [0]
    for file in [*(output / "results").iterdir(), *(output / "dead_letters").iterdir()]:
        table = pq.read_table(file)
        for i, field in enumerate(table.schema):
            if field.name not in ("status",):
                array = pa.array([hostile(v, field.type, draw) for v in table[field.name].to_pylist()], field.type)
                table = table.set_column(i, field, array)
        pq.write_table(table, file)
    manifest = json.loads((output / "manifest.json").read_text())
    evil = HOSTILE[1]
    manifest |= {"task": evil, "run_id": evil, "recipe_digest": evil, "versions": {evil: evil}}
    manifest["model"] |= {"name": evil, "licence": evil}
    manifest["counts"]["checks"] = {evil: {"passed": 1, "failed": 2}, HOSTILE[0]: {"passed": 1, "failed": 0}}
    manifest["skipped_inputs"] = [{"path": evil, "reason": evil}]
    for info in manifest["inputs"]:
        info["path"] = evil
    (output / "manifest.json").write_text(json.dumps(manifest))
    (output / "evaluation.json").write_text(evaluation(evil, HOSTILE[3]))


Report = Callable[..., str]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Report on outputs in the test's folder; returns the page."""

    def make(*outputs: str, by: tuple[str, ...] = (), form: str = "html") -> str:
        folders = [tmp_path / name for name in outputs or ("out",)]
        file, *_ = make_report(folders, None, by, form, None, lambda _: None)
        return file.read_text(encoding="utf-8")

    return make


@pytest.fixture
def all_tasks(tmp_path: Path, run, write_parquet) -> tuple[str, ...]:
    """A run of each task with the scripted engine."""
    for sample in ("sentences", "briefs", "conversations", "tickets"):
        write_own(sample, tmp_path / f"{sample}.parquet")
    schema, labels = (Path("jobs/data", name).absolute() for name in ("order.schema.json", "labels.toml"))
    days = [f"2025-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(60)]
    columns = {
        "text": [f"It is {i % 50} times good." for i in range(59)] + [None],
        "day": days,
        "shop": ["a<b>", "c"] * 30,
    }
    run(write_parquet(columns, "reviews.parquet"), "sentiment", options={"aspect_names": ["price", "sound"]})
    run(tmp_path / "sentences.parquet", "translate", task="translate", options={"to": ["es"]}, limit=8)
    run(tmp_path / "briefs.parquet", "generate", task="generate", limit=8)
    run(tmp_path / "conversations.parquet", "reply", task="reply", limit=8, context_tokens=16_384)
    run(tmp_path / "tickets.parquet", "extract", task="extract", options={"json_schema": str(schema)}, limit=8)
    run(tmp_path / "tickets.parquet", "classify", task="classify", options={"labels": str(labels)}, limit=8)
    return ("sentiment", "translate", "generate", "reply", "extract", "classify")


def blocks_of(*chapters: Chapter) -> list[Block]:
    return [block for chapter in chapters for section in chapter.sections for block in section.blocks]


def check_chapters(outputs: list[Path]) -> None:
    """Each run is told in full."""
    chapters = [make_chapter(open_source(output), (), i) for i, output in enumerate(outputs)]
    blocks = blocks_of(*chapters)
    said = {*(chapter.title for chapter in chapters), *(block.title for block in blocks)}
    for words in (
        "Sentiment of 60 reviews",
        "Most positive",
        "Most negative",
        "Most uncertain",
        "1 result failed (2\u00a0%)",
        "Translations of 8 sentences",
        "Side by side",
        "Texts written from 8 briefs",
        "What was written",
        "Replies to 8 conversations",
        "Drafts",
        "“extract” of 8 tickets",
        "The columns",
        "Labels of 8 tickets",
        "What it was run with",
    ):
        assert words in said, words
    charts = {block.name for block in blocks if block.kind == "figure"}
    assert {
        "labels",
        "scores",
        "uncertainty",
        "aspects",
        "over-time-1",
        "by-1",
        "intents",
        "checks",
        "savings",
    } <= charts


def test_every_task_has_its_chapter_and_hostile_texts_stay_texts(all_tasks, report, tmp_path: Path) -> None:
    check_chapters([tmp_path / name for name in all_tasks])
    for name in all_tasks:
        poison(tmp_path / name)
    page = check_harmless(report(*all_tasks))
    said = "".join(text for _, text in page.texts)
    assert f"<script>alert('{MARK}')</script>" in said
    assert len(said) < 400_000
    markdown = report("reply", form="md")
    assert MARK in markdown
    assert not re.search(r"(?i)<(?!br>)|https?:|ftp:|www\.|@(?!&#8203;)|\]\(javascript", markdown)


def test_names_of_columns_are_text_too(run, write_parquet, report) -> None:
    names = ["text", "<img src=x onerror=EVIL>", "a.b[0]['c']", "EVIL{{ day }}"]
    rows = [
        [f"text {i}" for i in range(40)],
        ["<b>EVIL</b>", "x"] * 20,
        ["q", "r"] * 20,
        ["2025-01-02", "2025-03-04"] * 20,
    ]
    run(write_parquet(dict(zip(names, rows, strict=True))))
    page = check_harmless(report())
    assert any("<img src=x onerror=EVIL>" in text for _, text in page.texts)


def test_rows_are_compared_by_the_column_that_is_asked_for(run, write_parquet, report, tmp_path: Path) -> None:
    columns = {"text": [f"text {i}" for i in range(60)], "price": [i / 7 for i in range(60)], "who": ["x", "y"] * 30}
    run(write_parquet(columns))
    chapter = make_chapter(open_source(tmp_path / "out"), ("price",), 1)
    (section,) = [section for section in chapter.sections if section.title == "By group"]
    assert [block.title.split(":")[0] for block in section.blocks] == ["By price"]
    with pytest.raises(UsageError, match="no column 'prise'"):
        report(by=("prise",))


def test_invalid_utf8_and_odd_types_are_shown_not_fatal(run, write_parquet, report) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, [None, *pa.array([b"ok", b"\xff\xfe"] * 1, pa.binary()).buffers()[1:]])
    table = {"text": ["fine", "well"], "note": bad, "views": pa.array(["a", "b"], pa.string_view())}
    run(write_parquet({**table, "blob": [b"\x00", b"\x01"], "list": [[1], [2]]}))
    assert "fine" in report(by=("note",))


def test_an_empty_run_has_a_report(run, write_parquet, report, tmp_path: Path) -> None:
    """It has no pace, however long it took."""
    run(write_parquet({"text": pa.array([], pa.string())}))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    manifest["pace"] |= {"seconds": [1.0, 2.0, 3.0, 4.0], "rows": [0] * 4, "tokens": [0] * 4}
    (tmp_path / "out/manifest.json").write_text(json.dumps(manifest))
    assert "Sentiment of 0" in report(form="md")
    with pytest.raises(UsageError, match="nothing to draw"):
        report(form="png")


def evaluation(run_id: str, label: str) -> str:
    """What an evaluation of 20 rows would have left."""
    figure = Figure(value=0.8, low=0.7, high=0.9, rows=20, about=label)
    bins = [ReliabilityBin(low=0.5, high=1.0, rows=20, confidence=0.9, accuracy=0.8)]
    found = Evaluation(
        run_id=run_id,
        task="sentiment",
        evaluated=datetime(2026, 1, 1, tzinfo=UTC),
        gold=label,
        columns={label: label},
        results=20,
        ok=20,
        compared=20,
        resamples=100,
        seed=0,
        headline={"accuracy": figure, label: figure},
        labels=LabelFigures(source=label, labels=[label, "bad"], confusion=[[8, 2], [2, 8]], per_label=[]),
        reliability=Reliability(bins=bins, ece=0.1, brier=0.3),
        human=HumanCeiling(rows=20, ratings=100, draws=10, figures={"accuracy": 0.7, label: 0.9}),
        fields=[FieldScore(field=label, gold=3, predicted=2, correct=1, precision=0.5, recall=None, f1=0.4)],
        slices=[
            Slices(
                by=[label],
                min_rows=5,
                slices=[Slice(where={label: label}, rows=20, figures={label: figure})],
                worst=[WorstSlice(figure=label, where={label: label}, value=0.1, overall=0.2)],
            )
        ],
        notes=[label],
    )
    return found.model_dump_json()


def test_an_evaluation_beside_the_results_is_told(run, write_parquet, report, tmp_path: Path) -> None:
    manifest = run(write_parquet({"text": [f"text {i}" for i in range(20)]}))
    file = tmp_path / "out/evaluation.json"
    file.write_text(evaluation(manifest.run_id, "good"))
    page = report()
    for words in (
        "How good it is",
        "80\u00a0% of the labels are right",
        "surer than it is right",
        "As good as one person",
    ):
        assert words in page, words
    for other in (evaluation("another", "good"), "{"):
        file.write_text(other)
        chapter = make_chapter(open_source(tmp_path / "out"), (), 1)
        assert "How good it is" not in [section.title for section in chapter.sections]


def test_the_command_writes_beside_the_output_and_never_into_it(run, write_parquet, tmp_path: Path) -> None:
    run(write_parquet({"text": ["a", "b"]}))
    before = sorted((tmp_path / "out").rglob("*"))
    code, out, _ = invoke("report", tmp_path / "out")
    assert code == 0
    assert str(tmp_path / "out-report.html") in out.replace("\n", "")
    assert (tmp_path / "out-report.html").is_file()
    assert invoke("report", tmp_path / "out", "--out", tmp_path / "out/report.html")[0] == 2
    assert invoke("report", tmp_path / "nowhere")[0] == 2
    assert invoke("report", tmp_path / "out", "--format", "pdf")[0] == 2
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_pictures_and_markdown_are_written_side_by_side(run, write_parquet, tmp_path: Path) -> None:
    run(write_parquet({"text": [f"text {i}" for i in range(30)]}))
    code, _, _ = invoke("report", tmp_path / "out", "--format", "md", "--out", tmp_path / "page.md")
    assert code == 0
    linked = re.findall(r"\]\(([^)]+\.png)\)", (tmp_path / "page.md").read_text())
    assert linked
    assert {tmp_path / name for name in linked} == set((tmp_path / "page_charts").iterdir())
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in linked)
