"""The texts of a probe: every sentence for every group, from templates (`jobs/data/probe.toml` or a user's file)."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.config import validation_line
from pipeline.errors import UsageError

_SLOT = re.compile(r"\{(\w+)\}")

Tone = Literal["neutral", "charged"]


class Axis(BaseModel):
    """What is changed: its groups with their words and sentences with slots, or each sentence in each group's words.

    Attributes:
        groups: group → what stands for it, slot by slot; several of them stand for it equally.
        templates: tone and sentence.
        said: tone and, by group, the sentence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    groups: dict[str, list[dict[str, str]]] = Field(default_factory=dict)
    templates: list[tuple[Tone, str]] = Field(default_factory=list)
    said: list[tuple[Tone, dict[str, str]]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.groups and self.templates) == bool(self.said) or bool(self.groups) != bool(self.templates):
            raise ValueError(f"axis {self.name!r} needs either groups and templates, or what is said")
        for _, template in self.templates:
            wanted = _SLOT.findall(template)
            for group, words in self.groups.items():
                if missing := [name for slots in words for name in wanted if not {name, _low(name)} & set(slots)]:
                    raise ValueError(f"axis {self.name!r}, group {group!r}: slot {missing[0]!r} of {template!r}")
        told = [[group for group, words in self.groups.items() if words], *(by_group for _, by_group in self.said)]
        if max(map(len, told)) < 2:
            raise ValueError(f"axis {self.name!r} has one group: there is nothing to hold it against")
        return self

    def variants(self) -> Iterator["Variant"]:
        """Every sentence for every group."""
        for number, (tone, by_group) in enumerate(self.said):
            for group, text in by_group.items():
                yield Variant(self.name, number, tone, group, text)
        for number, (tone, template) in enumerate(self.templates):
            for group, words in self.groups.items():
                for slots in words:
                    yield Variant(self.name, number, tone, group, _filled(template, slots))


class _Set(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    axes: list[Axis] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        names = [axis.name for axis in self.axes]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two axes are called {twice[0]!r}")
        return self


@dataclass(frozen=True)
class Variant:
    """One text: a sentence of an axis, told of one group.

    Attributes:
        template: the number of the sentence in its axis; texts of one sentence differ in the group alone.
    """

    axis: str
    template: int
    tone: str
    group: str
    text: str


def _filled(template: str, slots: Mapping[str, str]) -> str:
    """A sentence; a slot that is written with a capital letter gets one."""

    def word(slot: re.Match[str]) -> str:
        name = slot[1]
        if name in slots:
            return slots[name]
        lowered = slots[_low(name)]
        return lowered[:1].upper() + lowered[1:]

    return _SLOT.sub(word, template)


def _low(name: str) -> str:
    return name[:1].lower() + name[1:]


def read_variants(file: Path | None = None) -> list[Variant]:
    """The texts of the set that comes with Textmill, or of a file of that form.

    Raises:
        UsageError: if it cannot be read or is something else.
    """
    try:
        content = (file.expanduser() if file else files("jobs") / "data" / "probe.toml").read_text(encoding="utf-8")
        axes = _Set.model_validate(tomllib.loads(content)).axes
    except (OSError, ValueError, RecursionError) as error:
        why = validation_line(error) if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"cannot use the probe {file}: {why}", "see jobs/data/probe.toml for what it may be") from None
    return [variant for axis in axes for variant in axis.variants()]
