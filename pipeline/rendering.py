"""From a prompt to what the model reads: the chat template's frame, once for all rows of a shape, and the row texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Protocol

from pipeline.errors import UsageError
from pipeline.prompts import Bare, Border, Pad, Parts, Prompt, Segment, Text, shape_of, texts_of


class ChatTemplate(Protocol):
    """Renders a conversation as the one string that its model was trained on, ready for the model's turn.

    Args:
        messages: the turns.
        thinking: let a model that thinks before it answers do so.
    """

    def __call__(self, messages: Sequence[Mapping[str, str]], thinking: bool) -> str: ...


@dataclass(frozen=True, eq=False)
class Frame:
    """What rendered prompts of one shape have in common; each is itself only, so that it is cheap to look up.

    Attributes:
        parts: the constants in the order the model reads them, with None in the place of each row text.
    """

    parts: Parts

    def filled(self, texts: Sequence[Text]) -> tuple[Segment, ...]:
        """The segments of a whole prompt."""
        rest = iter(texts)
        return tuple([next(rest) if part is None else part for part in self.parts])


Rendered = tuple[Frame, tuple[Text, ...]]
"""A prompt as the model reads it: what it has in common with others, and the row texts that go into that."""


class PromptRenderer:
    """Renders prompts, in the order the model reads them.

    The chat template is run once per shape of conversation (its constants and where row text goes), not per row.
    """

    def __init__(self, template: ChatTemplate | None) -> None:
        self._template = template
        self._frame_of_chat = lru_cache(maxsize=1024)(self._render_frame)
        self._frame_of_bare = lru_cache(maxsize=1024)(Frame)

    def rendered(self, prompt: Prompt, thinking: bool = True) -> Rendered:
        """The prompt's frame, the same for all of its shape, and its texts.

        Args:
            thinking: False where the first token is the answer (a choice).

        Raises:
            UsageError: for a chat prompt when the model has no chat template, or one that drops row text.
        """
        if isinstance(prompt, Bare):
            return self._frame_of_bare(shape_of(prompt.content)), texts_of(prompt.content)
        frame = self._frame_of_chat(tuple([message.shape for message in prompt.messages]), thinking)
        return frame, tuple(chain.from_iterable([message.texts for message in prompt.messages]))

    def render(self, prompt: Prompt, thinking: bool = True) -> tuple[Segment, ...]:
        """The prompt's segments in order; as `rendered`."""
        frame, texts = self.rendered(prompt, thinking)
        return frame.filled(texts)

    def _render_frame(self, shape: tuple[tuple[str, Parts], ...], thinking: bool) -> Frame:
        if self._template is None:
            raise UsageError("the model has no chat template", "give --prompt-form bare, or a chat model")
        marks: list[tuple[str, Border | Pad | None]] = []

        def content(parts: Parts) -> str:
            return "".join(part if isinstance(part, str) else _new_mark(marks, part) for part in parts)

        turns = [{"role": role, "content": content(parts)} for role, parts in _padded(shape)]
        rendered = self._template(turns, thinking)
        parts: list[str | Border | Pad | None] = []
        for mark, part in marks:
            before, found, rendered = rendered.partition(mark)
            if not found or mark in rendered:
                raise UsageError(
                    "the model's chat template does not keep the messages as they are", "try --prompt-form bare"
                )
            parts += [before, part]
        return Frame(tuple(part for part in (*parts, rendered) if part != ""))


def _new_mark(marks: list[tuple[str, Border | Pad | None]], part: Border | Pad | None) -> str:
    mark = f"\ue000{len(marks)}\ue001"  # private-use characters: no author writes them, no template trims them
    marks.append((mark, part))
    return mark


def _padded(shape: tuple[tuple[str, Parts], ...]) -> tuple[tuple[str, Parts], ...]:
    """The conversation with a pad in its system message, if all of that is constant and no border stands in for it."""
    (role, parts), *rest = shape
    if role != "system" or not all(isinstance(part, str) for part in parts):
        return shape
    after = next((part for _, others in rest for part in others if not isinstance(part, str)), None)
    return shape if isinstance(after, Border) else ((role, (*parts, Pad())), *rest)
