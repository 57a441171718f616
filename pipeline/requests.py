"""From questions to requests: rendered, made to fit, and named by a fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from pipeline.decoding import Choice, Decoding
from pipeline.elements import Question, Request
from pipeline.errors import RowError
from pipeline.prompts import BLOCK_TOKENS, Border, Pad, PromptRenderer, Segment, Text, fingerprint, plain
from pipeline.text.guard import guarded
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
        self.count_constant = lru_cache(maxsize=4096)(self._count_constant)
        self._count_beginning = lru_cache(maxsize=4096)(self._count_beginning_anew)

    def fit(self, segments: tuple[Segment, ...], max_tokens: int, truncate: bool) -> tuple[tuple[Segment, ...], bool]:
        """The segments, cut if need be, and whether they were.

        A prompt whose text has no more bytes than there is room has no more tokens either (a token is at least a
        byte), so short texts, nearly all of them, are not tokenised here.

        Raises:
            RowError: if the prompt does not fit and may not, or cannot, be cut.
        """
        first = next((i for i, s in enumerate(segments) if isinstance(s, Text)), len(segments))
        room = max_tokens - self._count_beginning(segments[:first])
        room -= sum(self.count_constant(s) for s in segments[first:] if not isinstance(s, Text))
        texts = [s for s in segments if isinstance(s, Text)]
        if sum(len(t.value) * 4 for t in texts) <= room or sum(len(t.value.encode()) for t in texts) <= room:
            return segments, False
        cuttable = [t for t in texts if t.may_cut]
        room -= sum(len(self._encoder.encode(t)) for t in texts if not t.may_cut)
        if not truncate or not cuttable or room <= 0:
            return self._check_fits(segments, cuttable, room), False
        fitted, cut = [], False
        for segment in segments:
            if isinstance(segment, Text) and segment.may_cut:
                kept = self._encoder.cut(segment.value, max(0, room))
                room -= len(self._encoder.encode(Text(kept)))
                cut = cut or kept != segment.value
                segment = replace(segment, value=kept)
            fitted.append(segment)
        return tuple(fitted), cut

    def _check_fits(self, segments: tuple[Segment, ...], texts: Sequence[Text], room: int) -> tuple[Segment, ...]:
        needed = sum(len(self._encoder.encode(t)) for t in texts)
        if needed > room:
            message = f"the text has {needed} tokens, the context has room for {max(0, room)}"
            raise RowError(ErrorClass.PROMPT_TOO_LONG, message)
        return segments

    def _count_beginning_anew(self, constants: tuple[Segment, ...]) -> int:
        """The tokens before the first text, where it is known how much fills the blocks."""
        return len(encode_all(self._encoder, constants))

    def _count_constant(self, segment: str | Border | Pad) -> int:
        """The most tokens that a constant takes, with what may have to fill the block."""
        most = BLOCK_TOKENS - 1 if isinstance(segment, Border | Pad) else 0
        return most + (0 if isinstance(segment, Pad) else len(self._encoder.encode(segment)))


class Prompter:
    """Makes requests of questions; opened once per worker.

    Attributes:
        num_guarded: how many requests it has made with texts that had orders to the model left out.
    """

    def __init__(self, rules: PromptRules) -> None:
        self._rules = rules
        self.num_guarded = 0
        self._guarded = lru_cache(maxsize=256)(guarded)
        self._renderer = rules.renderer()
        self._fitter = PromptFitter(rules.encoder())

    def request(self, question: Question, adapter: str | None = None) -> tuple[Request, bool]:
        """The request, and whether a text had to be cut; always the same for the same question.

        Args:
            adapter: name of the one that is to answer.

        Raises:
            RowError: if it does not fit and may not be cut.
        """
        decoding = question.decoding
        rendered = self._renderer.render(question.prompt, thinking=not isinstance(decoding, Choice))
        if self._rules.guard:
            rendered = self._guard(rendered)
        segments, truncated = self._fitter.fit(rendered, self._rules.room(decoding), self._rules.truncate)
        named = fingerprint(self._rules.scope_of(adapter), segments, decoding)
        return Request(named, segments, decoding, adapter), truncated

    def _guard(self, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        found = tuple(self._without_orders(s) if isinstance(s, Text) and not s.may_order else s for s in segments)
        self.num_guarded += any(plain(s) != plain(was) for s, was in zip(found, segments, strict=True))
        return found

    def _without_orders(self, text: Text) -> Text:
        """The text as it is read; with its lines it would travel twice."""
        if text.lines is None:
            kept = self._guarded(text.value)
            return text if kept == text.value else replace(text, value=kept)
        return replace(Text.on_one_line(self._guarded(text.lines), text.may_cut), lines=None)
