"""What two runs did not do alike: settings, model, prompts, versions."""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.comparing.comparison import Difference
from schemas.manifest import Manifest

_PLACES = ("inputs", "output", "store", "limit", "sample", "seed", "max_failed")
"""Settings that say where and how much, not how."""


def differences(a: Manifest, b: Manifest) -> list[Difference]:
    """What differs in what can change answers or speed, the recipe first."""
    one, other = (dict(_settings(manifest)) for manifest in (a, b))
    keys = dict.fromkeys([*one, *other])
    return [Difference(key=key, a=one.get(key), b=other.get(key)) for key in keys if one.get(key) != other.get(key)]


def _settings(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    yield from _flat("model", manifest.model.model_dump())
    recipe = dict(manifest.recipe)
    for name, question in recipe.pop("questions").items():
        yield f"prompt.{name}", question["prompt"]
        yield from _flat(f"decoding.{name}", question["decoding"])
    for key in ("task_version", "context_tokens"):
        yield key, recipe[key]
    yield from _flat("engine", recipe["engine"])
    config = {
        key: value for key, value in manifest.config.items() if key not in (*_PLACES, "task", "model", "revision")
    }
    yield from _flat("", config)
    yield from _flat("versions", manifest.versions)


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A tree's leaves by their dotted keys; empty tables have none."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    else:
        yield prefix, value
