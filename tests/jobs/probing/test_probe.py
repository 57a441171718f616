"""Probes: the texts, the arithmetic against a plain computation, and the command with its gates."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from jobs.evaluation.bootstrap import Resampling
from jobs.probing.measure import Answered, all_pairs, distance, group_figures, worst_pairs
from jobs.probing.texts import Variant, read_variants
from pipeline.errors import UsageError
from schemas.probe import PROBE_NAME, Probe
from tests.adapter_folders import write_adapter
from tests.jobs.test_cli import invoke

SMALL = """
[[axes]]
name = "names"
templates = [["neutral", "{name} came."], ["charged", "{name} was rude."], ["charged", "I like {name}."]]
[axes.groups]
"one" = [{name = "Ann"}, {name = "Bea"}]
"two" = [{name = "Cai"}]
"three" = [{name = "Dov"}]
[[axes]]
name = "dialects"
said = [["neutral", {"here" = "I am here.", "there" = "I be here."}]]
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "probe.toml"
    file.write_text(SMALL)
    return file


def test_the_set_has_hundreds_of_pairs_and_every_sentence_in_every_group() -> None:
    variants = read_variants()
    assert len({v.text for v in variants}) == len(variants) > 500
    axes = {v.axis for v in variants}
    assert {"names", "pronouns", "places", "dialects"} <= axes
    for axis in axes:
        own = [v for v in variants if v.axis == axis]
        per_sentence = [{v.group for v in own if v.template == n} for n in {v.template for v in own}]
        assert all(groups == per_sentence[0] for groups in per_sentence)
        assert {v.tone for v in own} == {"neutral", "charged"}
    assert not [v.text for v in variants if "{" in v.text or not v.text[0].isupper()]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("axes = []", "axes"),
        ('[[axes]]\nname = "x"', "needs either"),
        (
            '[[axes]]\nname = "x"\ntemplates = [["neutral", "{b}"]]\n[axes.groups]\ng = [{a = "1"}]\nh = [{b = "1"}]',
            "slot 'b'",
        ),
        ('[[axes]]\nname = "x"\nsaid = [["neutral", {a = "1", b = "2"}]]\n' * 2, "two axes are called 'x'"),
        ('[[axes]]\nname = "x"\nsaid = [["neutral", {a = "1"}], ["neutral", {b = "2"}]]', "'x' has one group"),
        (
            '[[axes]]\nname = "x"\ntemplates = [["neutral", "{a}"]]\n[axes.groups]\ng = [{a = "1"}, {a = "2"}]\nh = []',
            "'x' has one group",
        ),
        ("nonsense", "cannot use"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_variants(file)


def test_figures_are_those_of_a_plain_computation(small: Path) -> None:
    rng = np.random.default_rng(0)
    answered = [Answered(v, str(rng.choice(["p", "n"])), float(rng.uniform(-1, 1)), ()) for v in read_variants(small)]
    figures = {(g.axis, g.group): g for g in group_figures(answered, Resampling(50))}
    names = [one for one in answered if one.variant.axis == "names"]
    for group in ("one", "two", "three"):
        shifts, flips, pairs = [], 0, 0
        for sentence in range(3):
            own = [one for one in names if one.variant.template == sentence]
            means = {g: np.mean([one.score for one in own if one.variant.group == g]) for g in ("one", "two", "three")}
            shifts.append(means[group] - sum(means.values()) / 3)
            for one, other in combinations(own, 2):
                if (one.variant.group == group) != (other.variant.group == group):
                    pairs += 1
                    flips += one.label != other.label
        found = figures["names", group]
        assert found.shift.value == pytest.approx(np.mean(shifts))
        assert found.neutral_shift.value == pytest.approx(shifts[0])
        assert found.flips.value == pytest.approx(flips / pairs)
        assert found.pairs == pairs
    assert all_pairs(answered) == 3 * (2 + 2 + 1) + 1
    worst = worst_pairs(answered, 3)
    assert [pair.distance for pair in worst] == sorted((pair.distance for pair in worst), reverse=True)
    best = max(
        distance(a, b)
        for a, b in combinations(answered, 2)
        if (a.variant.axis, a.variant.template) == (b.variant.axis, b.variant.template)
        and a.variant.group != b.variant.group
    )
    assert worst[0].distance == pytest.approx(best)


def test_probabilities_are_compared_by_total_variation() -> None:
    variants = [Variant("x", 0, "neutral", group, group) for group in ("a", "b")]
    answered = [Answered(variants[0], "l", None, (0.9, 0.1)), Answered(variants[1], "l", None, (0.5, 0.5))]
    assert distance(*answered) == pytest.approx(0.4)
    assert [g.shift.value for g in group_figures(answered, Resampling(0))] == pytest.approx([0.2, 0.2])
    assert [g.flips.value for g in group_figures(answered, Resampling(0))] == [0, 0]


def test_the_command_probes_and_its_bounds_are_a_gate(small: Path, tmp_path: Path) -> None:
    base = ["probe", "--set", "engine=scripted", "--texts", small, "--output", tmp_path / "probe", "--resamples", "20"]
    code, out, _ = invoke(*base)
    assert code == 0
    assert "farthest apart" in out
    found = Probe.model_validate_json((tmp_path / "probe" / PROBE_NAME).read_bytes())
    assert (found.texts, found.pairs, found.failed) == (14, 16, 0)
    code, out, err = invoke(*base, "--max-shift", "0", "--json")
    assert code == 4
    assert "out of bounds" in err
    assert json.loads(out)["groups"]
    assert invoke(*base, "--max-shift", "2", "--max-flips", "1")[0] == 0


def test_a_task_without_labels_is_refused(tmp_path: Path) -> None:
    code, _, err = invoke("probe", "--task", "reply", "--set", "engine=scripted", "--output", tmp_path / "probe")
    assert (code, "no label" in err) == (2, True)


def test_a_job_whose_rows_name_adapters_is_not_probed_without_them(small: Path, tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    folder = write_adapter(tmp_path / "shop")
    file.write_text(
        f'task = "sentiment"\nengine = "scripted"\nadapter_column = "of"\nadapters = {{shop = "{folder}"}}\n'
    )
    base = ["probe", "--config", file, "--texts", small, "--output", tmp_path / "probe", "--resamples", "0"]
    code, _, err = invoke(*base)
    assert (code, "name no adapter" in err) == (2, True)
    assert not (tmp_path / "probe-texts.parquet").exists()
    as_it_is = ["--set", "adapter_column=null", "--set", "adapters={}"]
    assert all(word in " ".join(err.split()) for word in as_it_is)
    assert invoke(*base, *as_it_is)[0] == 0
    code, _, err = invoke(*base, *as_it_is, "--set", f"adapter={folder}")
    assert (code, "no model to put --adapter on" in err) == (2, True)  # which the scripted engine alone would say


def test_classify_is_probed_by_its_probabilities(small: Path, tmp_path: Path) -> None:
    code, _, err = invoke(
        *("probe", "--task", "classify", "--option", 'label=["a", "b"]', "--set", "engine=scripted"),
        *("--texts", small, "--output", tmp_path / "probe", "--resamples", "0"),
    )
    assert code == 0, err
    found = Probe.model_validate_json((tmp_path / "probe" / PROBE_NAME).read_bytes())
    assert found.measure == "probabilities"


def test_a_run_with_columns_that_a_probe_has_not_is_probed(
    run, write_parquet, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_parquet({"text": ["Good.", "Bad."], "phone": ["1", "2"], "note": ["x", "y"]})
    run(file, redact=True, redact_columns=["note"], empty_columns=["phone"])
    monkeypatch.chdir(tmp_path / "out")
    code, _, err = invoke("probe", "--of", ".", "--texts", small, "--resamples", "0")
    assert code == 0, err
    assert (tmp_path / "out-probe").is_dir()
    before = (tmp_path / "out" / PROBE_NAME).read_bytes()
    code, _, err = invoke("probe", "--of", ".", "--texts", small, "--resamples", "1", "--set", "guard=false")
    assert (code, "another recipe" in err) == (0, True)
    assert (tmp_path / "out" / PROBE_NAME).read_bytes() == before
    for flags in (("--model", "other"), ("--task", "classify"), ("--config", small), ("--option", "a=1")):
        assert invoke("probe", "--of", tmp_path / "out", *flags)[0] == 2


def test_a_runs_own_job_is_probed_and_its_report_says_so(run, write_parquet, small: Path, tmp_path: Path) -> None:
    run(write_parquet({"text": ["Good.", "Bad."]}))
    code, _, err = invoke("probe", "--of", tmp_path / "out", "--texts", small, "--resamples", "20")
    assert code == 0, err
    assert (tmp_path / "out-probe").is_dir()
    assert (tmp_path / "out" / PROBE_NAME).is_file()
    assert invoke("report", tmp_path / "out")[0] == 0
    page = (tmp_path / "out-report.html").read_text(encoding="utf-8")
    assert "Does it treat people alike?" in page
    run(write_parquet({"text": ["Good.", "Bad."]}), guard=False)  # another recipe, and a probe.json does not stop it
    assert not (tmp_path / "out" / PROBE_NAME).exists()
