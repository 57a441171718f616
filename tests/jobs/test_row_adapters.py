"""Rows that name their adapter, on whole runs: the scripted engine is told the name and answers by it."""

import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.config import JobConfig
from jobs.evaluation.calibrate import calibrate_batch
from jobs.explaining.explain import explain
from jobs.forecasting.counting import count_requests
from jobs.inquiry import inquiry_of, make_recipe
from jobs.prepare import prepare
from jobs.redrive import redrive
from jobs.settings import merge
from jobs.tasks.sentiment import LABELS, Sentiment
from jobs.terminal import Terminal
from pipeline.adapters import adapted_digest, adapter_digest
from pipeline.calibration import prompt_digest
from pipeline.elements import Request
from pipeline.errors import UsageError
from pipeline.row_adapters import adapt
from schemas.adapter import CALIBRATION_NAME, PEFT_NAME
from schemas.calibration import Calibration, LabelCalibration
from tests.adapter_folders import write_adapter
from tests.jobs.test_cli import invoke

NAMES = ["shop", "hotel", None, "", "shop", "nobody"]


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str | None]:
    """How often each adapter was asked for; each has a label of its own."""
    asked: Counter[str | None] = Counter()

    def script(_: Any, request: Request) -> str:
        asked[request.adapter] += 1
        return {"shop": "positive", "hotel": "negative"}.get(request.adapter or "", "neutral")

    monkeypatch.setattr("pipeline.engines.scripted.ScriptedEngine._default_script", script)
    return asked


def calibration_of(model: str, prompts: str) -> Calibration:
    """One that makes all labels about equally probable."""
    return Calibration(
        task="sentiment",
        model="scripted",
        model_digest=model,
        prompt_digest=prompts,
        method="batch",
        fitted=datetime(2026, 11, 1, tzinfo=UTC),
        run_id="-",
        rows=50,
        gold=None,
        labels={label: LabelCalibration(weight=1e-6, bias=0.0) for label in LABELS},
        folds=0,
        seed=0,
    )


@pytest.fixture
def adapters(tmp_path: Path) -> dict[str, str]:
    return {name: str(write_adapter(tmp_path / name, weights=name)) for name in ("shop", "hotel")}


@pytest.fixture
def rows(write_parquet) -> Path:
    return write_parquet({"id": list("abcdef"), "text": ["So it is."] * 6, "of": NAMES})


def test_one_text_is_answered_once_by_each_adapter_that_its_rows_name(run, rows, adapters, results, asked) -> None:
    manifest = run(rows, adapter_column="of", adapters=adapters)
    found = results().to_pylist()
    assert [row["label"] for row in found] == ["positive", "negative", "neutral", "neutral", "positive", None]
    models = ["scripted+shop", "scripted+hotel", "scripted", "scripted", "scripted+shop", "scripted"]
    assert [row["meta"]["model"] for row in found] == models
    recipes = [row["meta"]["recipe"] for row in found]
    assert len(set(recipes)) == 3
    assert recipes[0] == recipes[4]
    assert manifest.recipe_digest not in recipes
    assert asked == {"shop": 1, "hotel": 1, None: 1}
    digests = {name: adapter_digest(Path(folder)) for name, folder in adapters.items()}
    assert {name: use.digest for name, use in manifest.model.adapters.items()} == digests
    assert manifest.recipe["adapters"] == digests


def test_a_name_that_was_not_given_is_that_rows_own_failure(run, rows, adapters, results) -> None:
    manifest = run(rows, adapter_column="of", adapters=adapters)
    assert (manifest.counts.ok, manifest.counts.failed) == (5, 1)
    (letter,) = results(kind="dead_letters").to_pylist()
    assert letter["of"] == "nobody"
    message = "no adapter of the run is called 'nobody'"
    assert letter["error"] == {"class": "invalid_row", "message": message, "attempts": 0}


def test_numbers_that_name_adapters_do_so_beside_a_file_that_makes_them_floats(
    run, write_parquet, adapters, asked, tmp_path: Path
) -> None:
    whole = write_parquet({"text": ["a", "b"], "of": [1, 2]}, "in/a.parquet")
    write_parquet({"text": ["c"], "of": [1.0]}, "in/b.parquet")
    numbers = {"1": adapters["shop"], "2": adapters["hotel"]}
    for output, read in (("one", whole), ("both", whole.parent)):
        assert run(read, output=output, adapter_column="of", adapters=numbers).counts.failed == 0
    assert asked == {"1": 2, "2": 1}


def test_a_file_without_the_column_is_told(rows, write_parquet, adapters, tmp_path: Path) -> None:
    given = {"adapter_column": "of", "adapters": adapters, "task": "sentiment", "engine": "scripted"}

    def said(*inputs: Path) -> list[str]:
        config = JobConfig(inputs=tuple(map(str, inputs)), output=str(tmp_path / "out"), **given)
        lines: list[str] = []
        prepare(config, "run", tmp_path / "out", lines.append)
        return lines

    assert said(rows) == []
    one, two = (write_parquet({"text": ["a"]}, f"in/{name}.parquet") for name in ("without", "without_too"))
    assert said(rows, one) == [f"{one} has no column 'of': such rows are answered by the model as it is"]
    (line,) = said(two, rows, one)
    assert line.startswith(f"2 of the input's 3 files, {two} for one, have no column 'of':")


def test_a_row_names_no_path(run, write_parquet, adapters, asked) -> None:
    path = adapters["shop"]
    manifest = run(
        write_parquet({"text": ["a", "b"], "of": [path, f"../{path}"]}), adapter_column="of", adapters=adapters
    )
    assert manifest.counts.failed == 2
    assert not asked


def test_rows_of_no_adapter_share_their_answers_with_the_model_as_it_is(run, rows, adapters, results, asked) -> None:
    plain = run(rows, output="plain")
    manifest = run(rows, adapter_column="of", adapters=adapters)
    assert manifest.counts.reused == 1
    assert asked == {"shop": 1, "hotel": 1, None: 1}
    row = results().to_pylist()[2]
    assert row["meta"] == results("plain").to_pylist()[2]["meta"]
    assert row["meta"]["recipe"] == plain.recipe_digest


def test_a_run_that_is_repeated_asks_nothing_and_one_name_for_other_weights_is_asked_anew(
    run, rows, adapters, asked, tmp_path: Path
) -> None:
    first = run(rows, adapter_column="of", adapters=adapters)
    again = run(rows, output="again", adapter_column="of", adapters=adapters)
    assert again.counts.sent == 0
    assert again.recipe_digest == first.recipe_digest
    write_adapter(Path(adapters["shop"]), weights="other weights")
    assert run(rows, output="other", adapter_column="of", adapters=adapters).counts.sent == 1
    renamed = {"nobody": adapters["hotel"], "shop": adapters["shop"], "hotel": adapters["hotel"]}
    assert run(rows, output="renamed", adapter_column="of", adapters=renamed).counts.sent == 0
    assert asked == {"shop": 2, "hotel": 1, None: 1}


def test_each_adapter_has_its_own_calibration(run, rows, adapters, results) -> None:
    plain = run(rows, output="plain")
    folder = Path(adapters["hotel"])
    digest = adapted_digest(plain.model.digest, adapter_digest(folder))
    prompts = prompt_digest({**plain.recipe, "model_digest": digest}, Sentiment.calibrated_questions)
    calibration = calibration_of(digest, str(prompts))
    (folder / CALIBRATION_NAME).write_text(calibration.model_dump_json())
    manifest = run(rows, adapter_column="of", adapters=adapters)
    found = results().to_pylist()
    assert [round(row["p_positive"], 2) for row in found[:2]] == [0.85, 0.25]
    assert found[2]["p_neutral"] == pytest.approx(0.85)
    assert manifest.calibration is None
    assert manifest.model.adapters["shop"].calibration is None
    assert manifest.model.adapters["hotel"].calibration.rows == 50
    (told,) = explain(Path(manifest.config["output"]), ["b"], print)
    assert told.results[0].rebuilt
    run(rows, output="raw", adapter_column="of", adapters=adapters, options={"calibration": "none"})
    assert results("raw").to_pylist()[1]["p_negative"] == pytest.approx(0.85)


def test_an_adapter_without_a_calibration_does_not_have_the_models(rows, adapters, tmp_path: Path) -> None:
    given = {"adapter_column": "of", "adapters": adapters, "task": "sentiment", "engine": "scripted"}
    asked = inquiry_of(JobConfig(inputs=(str(rows),), output=str(tmp_path / "out"), **given), print)
    recipe = make_recipe(asked.task, asked.model, {}, asked.rules)
    asked.task.calibration = calibration_of("scripted", "-")
    assert [adapt(one, asked.task, asked.model, recipe).task.calibration for one in asked.adapters] == [None, None]
    assert asked.task.calibration is not None


def test_an_explanation_names_the_adapter_of_the_row(run, rows, adapters, tmp_path: Path) -> None:
    run(rows, adapter_column="of", adapters=adapters)
    shop, plain, nobody = explain(tmp_path / "out", ["a", "c", "f"], print)
    assert (shop.adapter.name, shop.adapter.folder) == ("shop", adapters["shop"])
    assert plain.adapter is nobody.adapter is None
    for told in (shop, plain, nobody):
        assert told.notes == []
        assert told.results[0].rebuilt
    assert [one.answer for one in (*shop.asked, *plain.asked, *nobody.asked)] == ["positive", "neutral"]
    code, said, _ = invoke("explain", tmp_path / "out", "--id", "a")
    assert code == 0
    assert f"shop: {adapters['shop']}" in said


def test_an_adapter_that_was_missing_can_be_given_afterwards(run, rows, adapters, results, tmp_path: Path) -> None:
    run(rows, adapter_column="of", adapters=adapters)
    late = write_adapter(tmp_path / "late", weights="late")
    redriven = redrive(tmp_path / "out", [], {"adapters.nobody": str(late)}, Terminal(io.StringIO()))
    assert redriven.manifest.counts.ok == 6
    row = results().to_pylist()[5]
    assert (row["label"], row["meta"]["model"]) == ("neutral", "scripted+nobody")
    (told,) = explain(tmp_path / "out", ["f"], print)
    assert told.adapter.folder == str(late)
    assert told.results[0].rebuilt


def test_a_name_that_a_redrive_gave_to_one_of_the_runs_adapters_is_explained(
    run, rows, adapters, tmp_path: Path
) -> None:
    run(rows, adapter_column="of", adapters=adapters)
    settings = {"adapters.nobody": adapters["hotel"]}
    assert redrive(tmp_path / "out", [], settings, Terminal(io.StringIO())).manifest.counts.failed == 0
    hotel, nobody = explain(tmp_path / "out", ["b", "f"], print)
    assert hotel.recipe == nobody.recipe
    assert (hotel.adapter.name, nobody.adapter.name) == ("hotel", "nobody")
    for told in (hotel, nobody):
        assert told.notes == []
        assert told.results[0].rebuilt


def test_a_row_without_a_text_is_explained_whatever_it_names(run, write_parquet, adapters, tmp_path: Path) -> None:
    run(write_parquet({"id": ["a"], "text": [None], "of": ["shop"]}), id="id", adapter_column="of", adapters=adapters)
    (told,) = explain(tmp_path / "out", ["a"], print)
    assert told.notes == []
    assert told.results[0].rebuilt


def test_a_run_with_relative_folders_is_reopened_from_elsewhere(
    run, rows, adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(rows, adapter_column="of", adapters={name: name for name in adapters})
    write_adapter(tmp_path / "late", weights="late")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    terminal = Terminal(io.StringIO())
    assert redrive(tmp_path / "out", [], {"adapters.nobody": "../late"}, terminal).manifest.counts.failed == 0
    monkeypatch.chdir("/")
    for told, folder in zip(explain(tmp_path / "out", ["a", "f"], print), ("shop", "late"), strict=True):
        assert told.results[0].rebuilt
        assert Path(told.adapter.folder).resolve() == tmp_path / folder


def test_a_redrive_has_the_runs_adapters_and_records_its_own(run, rows, adapters, results, tmp_path: Path) -> None:
    run(rows, adapter_column="of", adapters=adapters)
    shop = write_adapter(Path(adapters["shop"]), weights="retrained")
    late = {"adapters.nobody": str(write_adapter(tmp_path / "late", weights="late"))}
    with pytest.raises(UsageError, match="the adapter shop is not the run's any more") as refused:
        redrive(tmp_path / "out", [], late, Terminal(io.StringIO()))
    assert f"--set adapters.shop={shop}" in refused.value.hint
    assert results().to_pylist()[5]["label"] is None
    said = {**late, "adapters.shop": str(shop)}
    (redriven,) = redrive(tmp_path / "out", [], said, Terminal(io.StringIO())).manifest.redrives
    assert {name: use.digest for name, use in redriven.adapters.items()} == {
        name: adapter_digest(tmp_path / folder)
        for name, folder in {"shop": "shop", "hotel": "hotel", "nobody": "late"}.items()
    }


def test_a_run_that_got_adapters_from_a_redrive_is_not_calibrated(run, write_parquet, adapters, tmp_path: Path) -> None:
    rows = write_parquet({"text": ["So it is.", None], "of": [None, "shop"]})
    run(rows)
    settings = {"adapter_column": "of", "adapters": adapters}
    assert redrive(tmp_path / "out", [], settings, Terminal(io.StringIO())).manifest.model.adapters == {}
    with pytest.raises(UsageError, match="of several adapters"):
        calibrate_batch(tmp_path / "out", datetime.now(UTC))


def test_a_forecast_counts_requests_by_adapter(rows, adapters, tmp_path: Path) -> None:
    given = {"adapter_column": "of", "adapters": adapters, "task": "sentiment", "engine": "scripted"}
    config = JobConfig(inputs=(str(rows),), output=str(tmp_path / "out"), **given)
    counted = count_requests(prepare(config, "run", tmp_path / "out", print), 1000)
    assert counted.unique == 3
    assert counted.failed == {"invalid_row": 1}


def test_a_config_file_and_flags_name_adapters_and_the_model_is_theirs(rows, adapters, tmp_path: Path) -> None:
    file = {"task": "sentiment", "adapter_column": "of", "adapters": {"shop": adapters["shop"]}}
    paths = {"inputs": [str(rows)], "output": str(tmp_path / "out")}
    config = merge(file, {}, {"adapters": {"hotel": adapters["hotel"]}, **paths})
    assert config.adapters == adapters
    assert config.model == "scripted"
    flags = [flag for name, folder in adapters.items() for flag in ("--adapters", f"{name}={folder}")]
    code, _, said = invoke(
        "sentiment", rows, tmp_path / "out", "--adapter-column", "of", *flags, "--engine", "scripted"
    )
    assert code == 0, said


@pytest.mark.parametrize(
    ("second", "said"), [("shop=other", "--adapters 'shop' is given twice"), (" shop=other", "white space")]
)
def test_each_flag_names_another_adapter(second: str, said: str, rows, adapters, tmp_path: Path) -> None:
    flags = ["--adapters", f"shop={adapters['shop']}", "--adapters", second]
    given = ("--adapter-column", "of", "--engine", "scripted", "--model", "scripted")
    code, _, err = invoke("sentiment", rows, tmp_path / "out", *given, *flags)
    assert (code, said in " ".join(err.split())) == (2, True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"adapter_column": None}, "adapter_column and adapters go together"),
        ({"adapters": {}}, "adapter_column and adapters go together"),
        ({"adapter": "folder"}, "either adapter_column or adapter"),
        ({"cascade": "scripted,scripted-large", "confidence": 0.9}, "either adapter_column or cascade"),
        ({"engine": "server"}, "not by a server"),
        ({"adapters": {" ": "folder"}}, "an empty name"),
        ({"adapters": {"shop": "folder", "hotel ": "folder"}}, "the name 'hotel ' begins or ends with white space"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], said: str, adapters) -> None:
    given = {"adapter_column": "of", "adapters": adapters, **settings}
    with pytest.raises(ValueError, match=said):
        JobConfig(task="sentiment", inputs=("in",), output="out", **given)


@pytest.mark.parametrize(
    ("about", "settings", "said"),
    [
        ({"task": "classify"}, {}, "is for classify, not for sentiment"),
        ({"model": "other", "model_digest": "other"}, {}, "is for other, not for scripted"),
        ({"prompts": {"answer": "00"}}, {}, "hotel was trained on other prompts"),
        ({}, {"adapter_column": "off"}, "no column 'off'"),
        ({}, {"redact": True, "redact_columns": ("of",)}, "it is redacted"),
        ({}, {"adapters": {"shop": "nowhere"}}, "nowhere is no adapter"),
    ],
)
def test_adapters_that_do_not_fit_are_refused_before_anything_is_asked(
    about: dict[str, Any], settings: dict[str, Any], said: str, run, rows, adapters, asked
) -> None:
    write_adapter(Path(adapters["hotel"]), **about)
    with pytest.raises(UsageError, match=said):
        run(rows, **{"adapter_column": "of", "adapters": adapters, **settings})
    assert not asked


def test_an_adapter_of_too_large_a_rank_is_refused_before_anything_is_asked(run, rows, adapters, asked) -> None:
    (Path(adapters["hotel"]) / PEFT_NAME).write_text('{"r": 1024, "target_modules": ["q_proj"]}')
    with pytest.raises(UsageError, match="hotel has rank 1024"):
        run(rows, adapter_column="of", adapters=adapters)
    assert not asked


def test_options_that_the_adapters_do_not_agree_on_have_to_be_given(run, rows, adapters, asked) -> None:
    write_adapter(Path(adapters["shop"]), options={"calibration": None})
    run(rows, output="agreed", adapter_column="of", adapters=adapters)
    asked.clear()
    write_adapter(Path(adapters["hotel"]), options={"calibration": "none"})
    with pytest.raises(UsageError, match="shop and hotel were trained with different options: calibration") as refused:
        run(rows, adapter_column="of", adapters=adapters)
    assert refused.value.hint.startswith("give calibration,")
    assert not asked
    assert run(rows, adapter_column="of", adapters=adapters, options={"calibration": "none"}).counts.ok == 5


def test_the_scripted_engine_has_nothing_to_put_a_models_adapter_on(rows, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "real", model="a-real-one", model_digest="real")
    flags = ["--adapter-column", "of", "--adapters", f"shop={folder}", "--engine", "scripted"]
    code, _, err = invoke("sentiment", rows, tmp_path / "out", *flags)
    assert code == 2
    assert "is for a-real-one, not for scripted, which has no weights" in " ".join(err.split())
    assert "leave out --engine scripted" in " ".join(err.split())
    assert "--model" not in err
