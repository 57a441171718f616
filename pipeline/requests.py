"""From questions to requests: rendered, made to fit, and named by a fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pipeline.decoding import Choice, Decoding
from pipeline.elements import Question, Request
from pipeline.errors import RowError
from pipeline.fingerprints import fingerprint_in_frame
from pipeline.prompts import BLOCK_TOKENS, Border, Pad, Text
from pipeline.rendering import Frame, PromptRenderer
from pipeline.text.guard import guarded_all
from pipeline.tokens import BytesTokenizer, TextEncoder, encode_all, load_chat_template, load_tokenizer
from schemas.envelope import ErrorClass


@dataclass(frozen=True)
class PromptRules:
    """How prompts are rendered and made to fit; the same on every worker.

    Attributes:
        model_folder: whose tokenizer and chat template; None for the scripted engine's.
        scope: goes into every fingerprint (`Recipe.scope`).
        adapters: name → digest of those that rows may name; None: rows name none.
        context_tokens: what prompt and answer may take together.
        reasoning_tokens: what of that is kept for thinking before the answer.
        truncate: cut texts that do not fit; otherwise such a question fails.
        guard: leave out of row texts what gives the model orders (`pipeline.text.guard`).
    """

    model_folder: str | None
    scope: str
    context_tokens: int
    reasoning_tokens: int
    truncate: bool
    guard: bool = False
    adapters: Mapping[str, str] | None = None

    def scope_of(self, adapter: str | None) -> str:
        """What goes into the fingerprints of requests to the model with an adapter, by its name.

        The digest and not the name: the same weights under two names have the same answers, others under one name do
        not. Without an adapter it is the scope itself, so what the model was ever asked as it is, is found. All of them
        lie in the one folder of the store that belongs to the model.
        """
        return self.scope if adapter is None else f"{self.scope}+{(self.adapters or {})[adapter]}"

    def room(self, decoding: Decoding) -> int:
        """Tokens that are left for a prompt whose answer is drawn like this."""
        thought = 0 if isinstance(decoding, Choice) else self.reasoning_tokens
        return self.context_tokens - decoding.max_tokens - thought

    def renderer(self) -> PromptRenderer:
        """Renders with the model's chat template."""
        return PromptRenderer(
            plain_template if self.model_folder is None else load_chat_template(Path(self.model_folder))
        )

    def encoder(self) -> TextEncoder:
        """The model's tokenizer."""
        return BytesTokenizer() if self.model_folder is None else load_tokenizer(Path(self.model_folder))


def plain_template(messages: Sequence[Mapping[str, str]], thinking: bool) -> str:
    """A chat template for people, and for the engine that has no model."""
    return "".join(f"[{m['role']}]\n{m['content']}\n" for m in messages) + "[assistant]\n"


class PromptFitter:
    """Makes rendered prompts fit into the context, by cutting row text at its end."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self.count_constants = lru_cache(maxsize=1024)(self._count_constants)

    def fit(
        self, frame: Frame, texts: tuple[Text, ...], max_tokens: int, truncate: bool
    ) -> tuple[tuple[Text, ...], bool]:
        """The texts, cut if need be, and whether they were.

        A prompt whose text has no more bytes than there is room has no more tokens either (a token is at least a
        byte), so short texts, nearly all of them, are not tokenised here.

        Raises:
            RowError: if the prompt does not fit and may not, or cannot, be cut.
        """
        room = max_tokens - self.count_constants(frame)
        if sum([len(t.value) for t in texts]) * 4 <= room or sum([len(t.value.encode()) for t in texts]) <= room:
            return texts, False
        cuttable = [t for t in texts if t.may_cut]
        room -= sum(len(self._encoder.encode(t)) for t in texts if not t.may_cut)
        if not truncate or not cuttable or room <= 0:
            self._check_fits(cuttable, room)
            return texts, False
        fitted: list[Text] = []
        for text in texts:
            if text.may_cut:
                kept = Text(self._encoder.cut(text.value, max(0, room)))
                room -= len(self._encoder.encode(kept))
                text = text._replace(value=kept.value)
            fitted.append(text)
        return tuple(fitted), tuple(fitted) != texts

    def _check_fits(self, texts: Sequence[Text], room: int) -> None:
        needed = sum(len(self._encoder.encode(t)) for t in texts)
        if needed > room:
            message = f"the text has {needed} tokens, the context has room for {max(0, room)}"
            raise RowError(ErrorClass.PROMPT_TOO_LONG, message)

    def _count_constants(self, frame: Frame) -> int:
        """The most tokens that the frame's constants take; before the first text it is known how much fills a block."""
        parts = frame.parts
        first = parts.index(None) if None in parts else len(parts)
        beginning = encode_all(self._encoder, [part for part in parts[:first] if part is not None])
        return len(beginning) + sum(self._count_constant(part) for part in parts[first:] if part is not None)

    def _count_constant(self, part: str | Border | Pad) -> int:
        """The most tokens that a constant takes, with what may have to fill the block."""
        most = BLOCK_TOKENS - 1 if isinstance(part, Border | Pad) else 0
        return most + (0 if isinstance(part, Pad) else len(self._encoder.encode(part)))


class Asked(NamedTuple):
    """A question as it is asked: the request, whether a text had to be cut, and whether one had orders left out."""

    request: Request
    is_cut: bool
    is_guarded: bool


class Prompter:
    """Makes requests of questions, always the same for the same question; opened once per worker."""

    def __init__(self, rules: PromptRules) -> None:
        self._rules = rules
        self._renderer = rules.renderer()
        self._fitter = PromptFitter(rules.encoder())

    def request(self, question: Question, adapter: str | None = None) -> Asked:
        """What is asked.

        Args:
            adapter: name of the one that is to answer.

        Raises:
            RowError: if it does not fit and may not be cut.
        """
        (asked,) = self.requests([(question, adapter)])
        if isinstance(asked, RowError):
            raise asked
        return asked

    def requests(self, questions: Sequence[tuple[Question, str | None]]) -> list[Asked | RowError]:
        """What is asked with each question and the adapter that is to answer it, or why it cannot be."""
        rendered = [
            self._renderer.rendered(question.prompt, thinking=not isinstance(question.decoding, Choice))
            for question, _ in questions
        ]
        read = _without_orders([texts for _, texts in rendered]) if self._rules.guard else [t for _, t in rendered]
        return [
            self._asked(frame, texts, kept, question.decoding, adapter)
            for (frame, texts), kept, (question, adapter) in zip(rendered, read, questions, strict=True)
        ]

    def _asked(
        self, frame: Frame, texts: tuple[Text, ...], kept: tuple[Text, ...], decoding: Decoding, adapter: str | None
    ) -> Asked | RowError:
        try:
            fitted, is_cut = self._fitter.fit(frame, kept, self._rules.room(decoding), self._rules.truncate)
        except RowError as error:
            return error
        named = fingerprint_in_frame(self._rules.scope_of(adapter), frame, fitted, decoding)
        is_guarded = kept is not texts and [text.value for text in kept] != [text.value for text in texts]
        return Asked(Request(named, frame.filled(fitted), decoding, adapter), is_cut, is_guarded)


def _without_orders(read: Sequence[tuple[Text, ...]]) -> list[tuple[Text, ...]]:
    """The texts of some prompts without what gives the model orders; all are looked through at once."""
    looked_at = list(dict.fromkeys([_as_written(text) for texts in read for text in texts if not text.may_order]))
    kept = dict(zip(looked_at, guarded_all(looked_at), strict=True))
    return [tuple([text if text.may_order else _as_read(text, kept) for text in texts]) for texts in read]


def _as_written(text: Text) -> str:
    return text.value if text.lines is None else text.lines


def _as_read(text: Text, kept: Mapping[str, str]) -> Text:
    """The text as it is read; with its lines it would travel twice."""
    if text.lines is None:
        value = kept[text.value]
        return text if value is text.value else text._replace(value=value)
    return Text.on_one_line(kept[text.lines], text.may_cut)._replace(lines=None)
