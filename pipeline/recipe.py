"""What decides an answer beside the text, and the digests that name it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_WHERE_THERE_IS_ONE = frozenset({"adapter", "guard", "adapters"})
"""Parts of a recipe that are left out of its plain data where there is none."""


@dataclass(frozen=True)
class Recipe:
    """Everything but the text that decides an answer.

    Attributes:
        task, task_version: whose prompts they are.
        questions: for each question about the task's first example, its rendered prompt and how the answer is drawn.
        model, model_digest, revision: the weights.
        engine: what ran them, with the arguments that can change an answer.
        context_tokens: where a text is cut.
        adapter: digest of the one that is in the weights, or is served with them for a row; left out of the plain data
            where there is none.
        adapters: digests of those that rows may name, by name; likewise. Of a run: a row's own recipe has `adapter`.
        guard: version of the rules by which orders to the model are left out of texts; None if they are not.
    """

    task: str
    task_version: int
    questions: Mapping[str, Mapping[str, Any]]
    model: str
    model_digest: str
    revision: str | None
    engine: Mapping[str, Any]
    context_tokens: int
    adapter: str | None = None
    guard: int | None = None
    adapters: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as written to `recipe.json` and to the manifest."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v for name, v in content.items() if v is not None or name not in _WHERE_THERE_IS_ONE}

    def digest(self) -> str:
        """16 hexadecimal digits over everything but the model's name: the same weights under two names are one."""
        return self._digest(set(self.as_dict()) - {"model"})

    def scope(self) -> str:
        """Names the folder of the store: what all runs of a task with one model and engine have in common.

        Prompt and decoding are in each fingerprint, so another option, one more target language say, finds what is
        already answered.
        """
        same = {"task", "task_version", "model_digest", "revision", "engine"}
        return f"{self.task}-{self._digest(same)}"

    def _digest(self, names: set[str]) -> str:
        content = {name: value for name, value in self.as_dict().items() if name in names}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
