"""Configuration: four layers, the later one wins; what is unknown or wrong is refused in one line with a way out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.config import JobConfig, split_adapter
from jobs.settings import change, merge, parse_engine_args, parse_settings, read_config_file
from pipeline.errors import UsageError

BASE = {"task": "sentiment", "inputs": ["a"], "output": "out"}


@given(layers=st.lists(st.none() | st.integers(0, 9), min_size=3, max_size=3))
def test_the_last_layer_that_says_something_wins(layers: list[int | None]) -> None:
    file, environment, flag = layers
    config = merge(
        {**BASE, **({} if file is None else {"limit": file})},
        {} if environment is None else {"TEXTMILL_LIMIT": str(environment)},
        {"limit": flag},
    )
    said = [value for value in (flag, environment, file) if value is not None]
    assert config.limit == (said[0] if said else None)


def test_tables_are_merged_key_by_key() -> None:
    file = {**BASE, "engine_args": {"seed": 1, "dtype": "float32"}}
    environment = {"TEXTMILL_ENGINE_ARGS": '{"seed": 2}', "HOME": "/x", "TEXTMILL_HOME": "/y"}
    config = merge(file, environment, {"engine_args": {"max_num_seqs": 3}})
    assert config.engine_args == {"seed": 2, "dtype": "float32", "max_num_seqs": 3}


@pytest.mark.parametrize(
    ("file", "environment", "words", "hint"),
    [
        ({**BASE, "modle": "x"}, {}, "unknown key 'modle' in the config file", "model"),
        (BASE, {"TEXTMILL_STOR": "x"}, "unknown key 'stor' in the environment", "store"),
        ({**BASE, "limit": "many"}, {}, "limit: ", ""),
        ({**BASE, "limit": -1}, {}, "limit: ", ""),
        ({**BASE, "engine": "vlm"}, {}, "engine: ", ""),
        ({**BASE, "max_failed": "lots"}, {}, "max_failed: ", ""),
        (BASE, {"TEXTMILL_ENGINE_ARGS": "{"}, "TEXTMILL_ENGINE_ARGS is not JSON", ""),
        ({"task": "sentiment", "inputs": ["a"]}, {}, "output is not given", ""),
    ],
)
def test_what_is_wrong_is_said_in_one_line(file, environment, words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        merge(file, environment, {})
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("bound", "failed", "rows", "allowed"),
    [
        (None, 9, 9, True),
        ("0", 0, 9, True),
        ("0", 1, 9, False),
        ("5%", 5, 100, True),
        ("5%", 6, 100, False),
        (3, 3, 9, True),
    ],
)
def test_the_bound_on_failed_rows(bound, failed: int, rows: int, allowed: bool) -> None:
    assert JobConfig(**BASE, max_failed=bound).allows_failed(failed, rows) is allowed


def test_the_last_of_a_cascade_is_the_model_with_its_adapter(tmp_path: Path) -> None:
    base = {**BASE, "target": 0.9}
    config = JobConfig(**base, cascade="small,large+some/adapter")
    assert (config.model, config.adapter) == ("large", "some/adapter")
    assert change(config.model_dump(mode="json"), {}) == config
    assert JobConfig(**base, cascade="small+some/adapter,large").adapter is None
    with pytest.raises(UsageError, match="give either adapter or cascade"):
        merge(base, {}, {"cascade": "small,large", "adapter": "some/adapter"})
    model, adapter = tmp_path / "a+b", tmp_path / "c+d"
    for folder, card in ((model, "config.json"), (adapter, "card.json")):
        folder.mkdir()
        (folder / card).touch()
    assert split_adapter(str(model)) == (str(model), None)
    assert split_adapter(f"{model}+{adapter}") == (str(model), str(adapter))


def test_engine_arguments_are_read_as_json_or_text() -> None:
    given_pairs = ["max-num-seqs=64", "enforce_eager=true", "dtype=float32", 'hf_overrides={"a": 1}', "path=a=b"]
    assert parse_engine_args(given_pairs) == {
        "max_num_seqs": 64,
        "enforce_eager": True,
        "dtype": "float32",
        "hf_overrides": {"a": 1},
        "path": "a=b",
    }
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_engine_args(["seed"])
    with pytest.raises(UsageError, match="--option 'seed'"):
        parse_engine_args(["seed"], "--option")


@pytest.mark.parametrize("content", [b"task = ", b"\xff\xfe", b"[a]\n[a]"])
def test_a_broken_config_file_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"job\.toml"):
        read_config_file(file)


def test_the_example_configs_are_valid() -> None:
    files = sorted(Path(__file__).parents[2].glob("jobs/configs/*.toml"))
    assert files
    for file in files:
        assert merge(read_config_file(file), {}, {}).task == file.stem


def test_settings_are_read_as_what_their_keys_want() -> None:
    before = merge({}, {}, {"task": "sentiment", "inputs": ["a"], "output": "b", "revision": "main", "max_failed": "3"})
    pairs = ["revision=1234567", "limit=5", "keep_reasoning=true", "max_failed=null", 'require=["short"]']
    pairs += ["options.retry=false", "options.note=two words", "engine_args.max_num_seqs=8"]
    config = change(before.model_dump(mode="json"), parse_settings(pairs))
    assert (config.revision, config.limit, config.keep_reasoning) == ("1234567", 5, True)
    assert (config.max_failed, config.require, config.inputs) == (None, ("short",), ("a",))
    assert (config.options, config.engine_args) == ({"retry": False, "note": "two words"}, {"max_num_seqs": 8})


def test_a_file_that_is_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    file.write_text("a = " + "[" * 100_000)
    with pytest.raises(UsageError, match=r"cannot read the config file .*job\.toml"):
        read_config_file(file)
