"""Support replies: what a customer wants, whether a person must take over, and a draft that promises nothing new.

Intent and handover are each one token chosen among few, so their probabilities are the model's own. What must never be
missed, a danger or a lawyer, is also looked for by its words (`jobs.handover`). The draft is checked against what
product, policy and our own agents said, and asked for once more when it fails.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field, field_validator, model_validator

from jobs.conversations import Conversation, Turn, language_of, reply_language, shorten
from jobs.handover import handover_decoding, handover_probability, likeliest_reason, reason_decoding, sign_of
from jobs.intents import choose_intents
from jobs.reply_data import Reason
from jobs.reply_prompts import ASK_HANDOVER, ASK_INTENT, ASK_REASON, ReplyPrompts, give, reply_decoding
from jobs.text_files import read_text_file
from pipeline.answers import choice_probabilities
from pipeline.decoding import Choice, Decoding
from pipeline.elements import Answers, Completion, Question
from pipeline.errors import RowError
from pipeline.task import Complaint, Example, RetryOptions, Task, complain_of_checks
from pipeline.text import checks
from pipeline.text.languages import language_name, normal_code
from pipeline.text.personal import placeholders_in
from schemas.envelope import ErrorClass
from schemas.results import Check, CheckedResult


class ReplyOptions(RetryOptions):
    """What can be set for a run of support replies."""

    intents: tuple[str, ...] = Field(
        (),
        description="Intent to choose from; may be repeated. [default: ten common ones]",
        json_schema_extra={"flag": "--intent"},
    )
    intents_file: str | None = Field(
        None,
        description="TOML file with intents of your own: [[intents]] with name and description.",
        json_schema_extra={"flag": "--intents"},
    )
    letters: bool = Field(False, description="Let the model name an intent by a letter, for names that begin alike.")
    policy_file: str | None = Field(None, description="Text file with the policy for rows that have none.")
    product_file: str | None = Field(None, description="Text file with what to know of the product, likewise.")
    language: str = Field("en", description="Language to reply in where the customer's cannot be told.")
    tone: str | None = Field(None, description="Tone of the replies, such as 'warm and brief'.")
    sign: str | None = Field(None, description="Signature, put under each reply.")
    min_words: int = Field(15, ge=0, description="Fewest words of a reply, without the signature.")
    max_words: int = Field(180, ge=1, description="Most words of a reply, without the signature.")
    human_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Let the model call a person too, from this probability on. [default: it may not]",
    )

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        return normal_code(language)

    @model_validator(mode="after")
    def _agree(self) -> "ReplyOptions":
        if self.intents and self.intents_file:
            raise ValueError("give either intents or a file of them")
        if self.min_words > self.max_words:
            raise ValueError("min_words is more than max_words")
        return self


class ReplyResult(CheckedResult):
    """A draft for the customer, and what to do with it.

    Attributes:
        reply: the draft, in `reply_language`, with the signature if there is one.
        reply_language: ISO 639-1 code; the customer's where that is likely enough, else that of the options.
        intent, intent_probability: the likeliest of the intents.
        language, language_confidence: ISO 639-1 code of what the customer writes, "und" if it cannot be told.
        needs_human: a person must take over: the customer's words give it away, the reply what
            nothing given supports (so, without a policy, whatever it promises), or the model says so and may.
        needs_human_probability: the model's.
        needs_human_reason: why; null if nobody must.
        shortened: the conversation was too long: its earliest messages, or the middle of a long one, were not read.
        checks: see `Reply.checks`.
    """

    reply: str
    reply_language: str
    intent: str
    intent_probability: float = Field(ge=0, le=1)
    language: str
    language_confidence: float = Field(ge=0, le=1)
    needs_human: bool
    needs_human_probability: float = Field(ge=0, le=1)
    needs_human_reason: Reason | None
    shortened: bool


class Reply(Task[Conversation, ReplyResult, ReplyOptions]):
    """A reply to a customer, the intent, and whether a person must take over.

    A reply may promise (`checks.amounts_from`) what product, policy, signature and our agents said. What the customer
    says is no source, or asking for 500 pounds would be enough to be promised them; so a reply that repeats the
    customer's own dates and amounts fails as well, and a person looks at it.

    A person must take over where the customer's words give a grave reason away (`jobs.handover`), where the model says
    so, if it is asked to (`human_threshold`; a model of 0.5 billion parameters is no better than chance at it), and
    where the reply still fails that check after it was asked for once more: what no policy covers ends there.

    What gives the model orders in a message is left out of what it reads (`pipeline.text.guard`); customers ask people.
    """

    name = "reply"
    version = 1
    summary = "Draft replies to support conversations: reply, intent, language, and whether a person must take over."
    record = Conversation
    result = ReplyResult
    options_model = ReplyOptions
    columns = ("reply", "intent", "language", "needs_human", "needs_human_reason")
    may_guard = True
    taught = ("reply",)
    checks = ("language", "promises", "personal_data", "length", "no_leftovers", "no_loop")

    def __init__(self, options: ReplyOptions, form: str) -> None:
        super().__init__(options, form)
        self._intents = choose_intents(options.intents, options.intents_file)
        self._policy = read_text_file(options.policy_file, "policy")
        self._product = read_text_file(options.product_file, "product")
        self._prompts = ReplyPrompts(self._intents, options.letters, options.min_words, options.max_words, options.tone)

    def check(self, record: Conversation) -> None:
        """Refuse a conversation in which the customer says nothing."""
        if not record.said_by("customer"):
            raise RowError(ErrorClass.EMPTY_TEXT, "messages hold none of the customer's")

    def questions(self, record: Conversation) -> list[Question]:
        """Intent, handover, its reason and the reply, about one and the same beginning."""
        language = language_name(self._reply_language(record))
        asked: list[tuple[str, str, Decoding]] = [
            ("intent", ASK_INTENT, self._intent_choice),
            ("needs_human", ASK_HANDOVER, handover_decoding()),
            ("reason", ASK_REASON, reason_decoding()),
            ("reply", self._prompts.ask_reply(language), reply_decoding(self.options.max_words)),
        ]
        turns = shorten(record.messages)
        given = tuple(give(*self._given(record), turns, left_out=len(turns) < len(record.messages)))
        return [Question(name, self._prompts.prompt(given, ask), decoding) for name, ask, decoding in asked]

    def complaint(self, record: Conversation, name: str, completion: Completion) -> Complaint | None:
        """What the checks say against a reply."""
        if name != "reply":
            return None
        if completion.ran_on:
            return Complaint(f"it does not come to an end; write at most {self.options.max_words} words", math.inf)
        if not completion.text.strip():
            return Complaint("it is empty", math.inf)
        return complain_of_checks(self._check(record, completion.text.strip()))

    def parse(self, record: Conversation, index: int, answers: Answers) -> ReplyResult:
        """The better reply, the likeliest intent, and whether a person must take over."""
        draft = self._draft(record, answers)
        found = self._check(record, draft)
        intents = choice_probabilities(self.answer(record, answers, "intent"), tuple(self._intents))
        intent = max(intents, key=lambda name: intents[name])
        needs_human = handover_probability(self.answer(record, answers, "needs_human"))
        reason = self._reason(record, answers, needs_human, found)
        customer = language_of(record)
        return ReplyResult(
            reply=f"{draft}\n\n{self.options.sign}" if self.options.sign else draft,
            reply_language=self._reply_language(record),
            intent=intent,
            intent_probability=intents[intent],
            language=customer.language,
            language_confidence=customer.confidence,
            needs_human=reason is not None,
            needs_human_probability=needs_human,
            needs_human_reason=reason,
            shortened=shorten(record.messages) != record.messages,
            checks=found,
        )

    def wanted_answers(self, record: Conversation, index: int, gold: Mapping[str, Any]) -> dict[str, str]:
        """The reply without the signature, which the model never writes."""
        reply = (gold.get("reply") or "").strip()
        if self.options.sign:
            reply = reply.removesuffix(self.options.sign.strip()).rstrip()
        return {"reply": reply} if reply else {}

    @classmethod
    def examples(cls) -> Sequence[Example[Conversation]]:
        """A message with a policy, and a conversation that a person must take over."""
        return [
            Example(
                Conversation(
                    messages="How long do I have to send the lamp back?",  # type: ignore[arg-type]
                    product="Aldery desk lamp, 7 watts",
                    policy="Goods can be sent back within 30 days.",
                ),
                {
                    "intent": "refund_request",
                    "needs_human": "no",
                    "reason": "beyond_policy",
                    "reply": "Thank you for your message. You can send the lamp back to us within 30 days, and we are "
                    "glad to help you with it.",
                },
            ),
            Example(
                Conversation(
                    messages=(
                        Turn(role="customer", text="El enchufe de la lámpara se quemó y me hice daño en la mano."),
                        Turn(role="agent", text="Lo sentimos mucho. ¿Cuándo la compró?"),
                        Turn(role="customer", text="La semana pasada. Voy a llamar a mi abogado."),
                    )
                ),
                {
                    "intent": "complaint",
                    "needs_human": "yes",
                    "reason": "safety",
                    "reply": "Sentimos mucho lo que le ha pasado. Por favor, desenchufe la lámpara y no la use más. "
                    "Una persona de nuestro equipo se ocupa de su caso.",
                },
            ),
        ]

    @cached_property
    def _intent_choice(self) -> Choice:
        return Choice(tuple(self._intents), tuple(self._prompts.codes.values()))

    def _draft(self, record: Conversation, answers: Answers) -> str:
        completion = self.answer(record, answers, "reply")
        if completion.ran_on or not completion.text.strip():
            raise RowError(ErrorClass.INVALID_ANSWER, "there is no whole reply", completion.text)
        return completion.text.strip()

    def _reason(
        self, record: Conversation, answers: Answers, needs_human: float, found: Sequence[Check]
    ) -> Reason | None:
        if (sign := sign_of(record.said_by("customer"))) is not None:
            return sign
        threshold = self.options.human_threshold
        if threshold is not None and needs_human >= threshold:
            return likeliest_reason(self.answer(record, answers, "reason"))
        kept = all(check.passed for check in found if check.name == "promises")
        return None if kept else "unsupported_promise"

    def _check(self, record: Conversation, draft: str) -> list[Check]:
        sign = self.options.sign or ""
        ours = [*self._given(record), *record.said_by("agent"), sign]
        return [
            checks.in_language(draft, self._reply_language(record)),
            checks.amounts_from(draft, *ours),
            checks.no_personal_data(draft, "\n".join(record.said_by("customer")), context="\n".join(ours)),
            checks.length_words(draft, self.options.min_words, self.options.max_words),
            checks.no_leftovers(draft, allowed="\n".join((sign, *_placeholders(record)))),
            checks.no_loop(draft),
        ]

    def _reply_language(self, record: Conversation) -> str:
        return reply_language(record, self._given(record), self.options.language)

    def _given(self, record: Conversation) -> tuple[str, str]:
        """Product and policy, the row's or else the run's."""
        return (record.product or "").strip() or self._product, (record.policy or "").strip() or self._policy


def _placeholders(record: Conversation) -> list[str]:
    """What stands for personal data in the conversation: a reply may call the customer [NAME_1]."""
    return [placeholder for turn in record.messages for placeholder in placeholders_in(turn.text)]
