"""Where a configuration comes from: four layers, each over the one before: defaults, file, environment, flags."""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError

from jobs.config import JobConfig, nearest, validation_line
from pipeline.adapters import read_card
from pipeline.errors import UsageError
from schemas.manifest import Manifest

ENVIRONMENT_PREFIX = "TEXTMILL_"
_NOT_CONFIG = {"TEXTMILL_HOME", "TEXTMILL_API_KEY"}


def merge(file: Mapping[str, Any], environment: Mapping[str, str], flags: Mapping[str, Any]) -> JobConfig:
    """The configuration from its layers.

    Args:
        file: what the config file says; empty without one.
        environment: the process's; keys `TEXTMILL_<KEY>` count, tables as JSON.
        flags: what the command line says; None means not given. Tables are merged key by key.

    Raises:
        UsageError: for an unknown key, with the nearest known one, or a value that does not fit.
    """
    merged: dict[str, Any] = {}
    given = {key: value for key, value in flags.items() if value is not None}
    for origin, layer in (("the config file", file), ("the environment", _from_environment(environment)), ("", given)):
        for key, value in layer.items():
            if key not in JobConfig.model_fields:
                raise UsageError(f"unknown key {key!r} in {origin}", nearest(key, JobConfig.model_fields))
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = {**merged[key], **value} if both else value
    if not {"model", "cascade"} & set(merged):
        several = merged.get("adapters")
        one = merged.get("adapter") or (next(iter(several.values()), None) if isinstance(several, dict) else None)
        if one:
            merged["model"] = read_card(Path(str(one))).model
    return _validated(merged)


def run_config(manifest: Manifest) -> dict[str, Any]:
    """The configuration of a run, its adapters where the run found them, wherever it is read from now."""
    found: dict[str, Any] = {}
    if manifest.model.adapters:
        found["adapters"] = {name: use.folder for name, use in manifest.model.adapters.items()}
    if manifest.model.adapter and not manifest.config.get("cascade"):  # which has it in the names of its models
        found["adapter"] = manifest.model.adapter.folder
    return {**manifest.config, **found}


def change(config: Mapping[str, Any], settings: Mapping[str, Any]) -> JobConfig:
    """An earlier run's configuration, with some settings changed.

    Args:
        config: the run's, whole, as `run_config` gives it.
        settings: values by key; `table.key` changes one key of a table.

    Raises:
        UsageError: for an unknown key, with the nearest known one, or a value that does not fit.
    """
    changed = dict(config)
    for key, value in settings.items():
        name, dot, entry = key.partition(".")
        if name not in JobConfig.model_fields:
            raise UsageError(f"unknown key {name!r} in --set", nearest(name, JobConfig.model_fields))
        if dot and not isinstance(changed.get(name), dict):
            raise UsageError(f"--set {key}: {name} is one value, not a table")
        changed[name] = {**changed[name], entry: value} if dot else value
    return _validated(changed)


def _validated(values: Mapping[str, Any]) -> JobConfig:
    try:
        return JobConfig.model_validate(values)
    except ValidationError as error:
        raise UsageError(validation_line(error)) from None


def read_config_file(path: Path) -> dict[str, Any]:
    """A TOML config file.

    Raises:
        UsageError: if it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read the config file {path}: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _NOT_CONFIG:
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
            layer[key] = _parsed(key, value)
    return layer


def _parsed(key: str, value: str) -> Any:
    annotation = JobConfig.model_fields[key].annotation if key in JobConfig.model_fields else str
    if key == "inputs":
        return tuple(value.split(os.pathsep))
    if key == "endpoint":
        return tuple(value.split())
    if get_origin(annotation) is dict:
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise UsageError(f"{ENVIRONMENT_PREFIX}{key.upper()} is not JSON: {error}") from None
    return value


def parse_pairs(flag: str, pairs: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE pairs of a repeated flag.

    Raises:
        UsageError: for one without `=`.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{flag} {pair!r} is not NAME=VALUE")
        found[name.strip()] = value
    return found


def parse_names(flag: str, pairs: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE pairs of a repeated flag, whose names are data: each is given once, and kept as it is.

    Raises:
        UsageError: for one without `=`, or a name that has a value already.
    """
    parse_pairs(flag, pairs)
    found: dict[str, str] = {}
    for name, _, value in (pair.partition("=") for pair in pairs):
        if name in found:
            raise UsageError(f"{flag} {name!r} is given twice: {found[name]} and {value}")
        found[name] = value
    return found


def parse_engine_args(pairs: Sequence[str], flag: str = "--engine-arg") -> dict[str, Any]:
    """NAME=VALUE pairs; a value is read as JSON if it is (numbers, true, lists), else as a string.

    Raises:
        UsageError: for one without `=`.
    """
    return {name.replace("-", "_"): _json_or_text(value) for name, value in parse_pairs(flag, pairs).items()}


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE pairs of `--set`; a value is read as JSON if it is, else as a string.

    Numbers and truth values outside of tables stay text, which `JobConfig` reads as what the key wants: a revision may
    look like a number.

    Raises:
        UsageError: for one without `=`.
    """
    settings: dict[str, Any] = {}
    for key, value in parse_pairs("--set", pairs).items():
        read = _json_or_text(value)
        settings[key] = value if "." not in key and isinstance(read, (bool, int, float)) else read
    return settings


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
