"""Translation: a text in other languages, piece by piece, with everything that must survive it checked.

A text is cut at its lines and, where a line is long, at its sentences (`pipeline.text.splitting`); each piece is one
request, so a sentence that occurs in many rows is translated once, and the pieces are joined with the line breaks, list
marks and code blocks of the source. What a small model spoils most, placeholders and the like, is put right where that
is certain, then checked; a piece that fails a check is asked for once more.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator
from sacrebleu.metrics import CHRF

from jobs.pieces import AUTO, aligned, pieces_of, source_of, surely_in
from jobs.translation_prompts import translation_decoding, translation_prompt
from pipeline.elements import Answers, Completion, Question
from pipeline.errors import RowError
from pipeline.prompts import Chat, Message, Text
from pipeline.task import Complaint, Example, RetryOptions, Task, complain_of_checks
from pipeline.text import checks
from pipeline.text.glossary import kept_glossary, read_glossary, terms_in
from pipeline.text.languages import Detected, normal_code, variety_code
from pipeline.text.repair import put_right
from pipeline.text.splitting import Piece, join_text
from schemas.envelope import ErrorClass
from schemas.records import TextRecord
from schemas.results import Check, CheckedResult

_BACK = "/back"
_CHRF = CHRF()


class TranslationOptions(RetryOptions):
    """What can be set for a translation run."""

    to: tuple[str, ...] = Field(
        min_length=1, description="Language to translate into, a code or a name; may be repeated."
    )
    source: str = Field(
        AUTO, description="Language of the texts, or auto: found out for each.", json_schema_extra={"flag": "--from"}
    )
    glossary: str | None = Field(None, description="TOML file with terms and their translations, or names to keep.")
    back_translate: bool = Field(
        False, description="Translate back, and give the likeness with the source (chrF) as quality_estimate."
    )
    piece_chars: int = Field(400, ge=40, description="Longest piece of a text that is translated in one go.")

    @field_validator("to")
    @classmethod
    def _known(cls, to: tuple[str, ...]) -> tuple[str, ...]:
        codes = tuple(dict.fromkeys(variety_code(language) for language in to))
        if len(codes) < len(to):
            raise ValueError("a language is named twice")
        return codes

    @field_validator("source")
    @classmethod
    def _known_source(cls, source: str) -> str:
        return source if source == AUTO else variety_code(source)


class TranslationResult(CheckedResult):
    """One text in one language.

    Attributes:
        target_language: the language asked for.
        translation: the text in it.
        source_language: the language of the source, "und" if it cannot be told.
        source_confidence: how sure that is, in [0, 1]; 1 if it was given.
        passed_through: the text was in the target language already, or has nothing to translate: it is copied.
        quality_estimate: chrF of the translation's translation back with the source, in [0, 100]; null without
            `back_translate`, and where nothing was translated.
        checks: see `Translation.checks`.
    """

    target_language: str
    translation: str
    source_language: str
    source_confidence: float = Field(ge=0, le=1)
    passed_through: bool
    quality_estimate: float | None = Field(ge=0, le=100)


class Translation(Task[TextRecord, TranslationResult, TranslationOptions]):
    """The text in other languages, one result for each."""

    name = "translate"
    version = 1
    summary = "Translate texts: one row for each text and language, with checks of what must survive."
    record = TextRecord
    result = TranslationResult
    options_model = TranslationOptions
    columns = ("target_language", "translation")
    taught = ("translation",)
    checks = (
        "placeholders",
        "urls",
        "emails",
        "numbers",
        "code",
        "emoji",
        "glossary",
        "language",
        "not_copied",
        "length_ratio",
        "no_loop",
    )

    def __init__(self, options: TranslationOptions, form: str) -> None:
        super().__init__(options, form)
        self._terms = read_glossary(options.glossary) if options.glossary else ()

    @property
    def rounds(self) -> int:
        """One more to translate back."""
        return super().rounds + (1 if self.options.back_translate else 0)

    def branches(self, record: TextRecord | None) -> Sequence[Mapping[str, Any]]:
        """One result for each language."""
        return [{"target_language": to} for to in self.options.to]

    def questions(self, record: TextRecord) -> list[Question]:
        """Each piece into each language, called `es/0`, `es/1` and so on."""
        source = self._source(record).language
        return [
            Question(f"{to}/{i}", self._prompt(piece.text, source, to), translation_decoding(piece.text))
            for to in self.options.to
            for i, piece in enumerate(self._to_translate(record, to))
        ]

    def complaint(self, record: TextRecord, name: str, completion: Completion) -> Complaint | None:
        """What the checks say against the translation of a piece."""
        to, _, number = name.partition("/")
        piece = self._to_translate(record, to)[int(number)].text
        if completion.ran_on:
            return Complaint("it does not come to an end; translate the text once", math.inf)
        output = put_right(piece, completion.text)
        if not output:
            return Complaint("it is empty", math.inf)
        return complain_of_checks(self._check(piece, output, to))

    def prompt_again(self, prompt: Chat, answer: Completion, complaint: Complaint) -> Chat:
        """The rules with what was wrong: a message of the user's that says so would be translated like any other."""
        rules, *turns = prompt.messages
        told = (" An earlier translation was refused: ", Text(complaint.message, may_cut=False), ". Avoid that.")
        return Chat((Message(rules.role, (*rules.content, *told)), *turns))

    def follow_up(self, record: TextRecord, answers: Answers) -> list[Question]:
        """The way back, called `es/0/back` and so on, if it is asked for and the source's language is known."""
        source = self._source(record).language
        if not self.options.back_translate or source == "und":
            return []
        asked = []
        for name in (question.name for question in self.questions(record)):
            to = name.partition("/")[0]
            if normal_code(to) == normal_code(source):  # a line in another language than its text: it has no way back
                continue
            try:
                there = self._translated(record, answers, name)
            except RowError:
                continue
            prompt = self._prompt(there, to, source)
            asked.append(Question(name + _BACK, prompt, translation_decoding(there)))
        return asked

    def parse(self, record: TextRecord, index: int, answers: Answers) -> TranslationResult:
        """The pieces joined, and what the checks say of the whole."""
        to = self.options.to[index]
        pieces, source = self._pieces(record, to), self._source(record)
        names = [f"{to}/{i}" for i in range(sum(piece.translate for piece in pieces))]
        translation = join_text(pieces, [self._translated(record, answers, name) for name in names])
        return TranslationResult(
            target_language=to,
            translation=translation,
            source_language=source.language,
            source_confidence=source.confidence,
            passed_through=not names,
            quality_estimate=self._quality(record, answers, names, pieces),
            checks=self._check(record.text, translation, to),
        )

    def wanted_answers(self, record: TextRecord, index: int, gold: Mapping[str, Any]) -> dict[str, str]:
        """The pieces of a reference, where it follows the text line by line."""
        to, reference = self.options.to[index], (gold.get("translation") or "").strip()
        if not reference:
            return {}
        texts = aligned(self._pieces(record, to), reference)
        if texts is None:
            raise RowError(ErrorClass.INVALID_ROW, "a reference that does not follow the pieces of its text")
        return {f"{to}/{i}": text for i, text in enumerate(texts)}

    def concerns(self, name: str, index: int) -> bool:
        """By the language that a question's name begins with."""
        return name.partition("/")[0] == self.options.to[index]

    @classmethod
    def examples(cls) -> Sequence[Example[TextRecord]]:
        """Into Spanish: a sentence with a placeholder, two lines, and a text that is Spanish already."""
        paid = "Dear {name}, we have received your payment of 25.50 euros today."
        hours = "# Opening hours\n- We are open from Monday to Friday.\n- https://example.com/hours"
        done = "Este texto ya está escrito en español, así que no hay nada que hacer."
        return [
            Example(
                TextRecord(text=paid),
                {"es/0": "Estimado {name}, hemos recibido hoy su pago de 25,50 euros.", "es/0/back": paid},
            ),
            Example(
                TextRecord(text=hours),
                {
                    "es/0": "Horario de apertura",
                    "es/0/back": "Opening hours",
                    "es/1": "Abrimos de lunes a viernes.",
                    "es/1/back": "We open from Monday to Friday.",
                },
            ),
            Example(TextRecord(text=done), {"en/0": "This text is in Spanish already, so there is nothing to do."}),
        ]

    @classmethod
    def example_options(cls) -> Mapping[str, TranslationOptions]:
        """Into Spanish, and back."""
        return {
            "into Spanish": TranslationOptions(to=("es",)),
            "and back": TranslationOptions(to=("es",), back_translate=True),
            "into two languages": TranslationOptions(to=("es", "en"), retry=False),
        }

    def _source(self, record: TextRecord) -> Detected:
        return source_of(record.text, self.options.source)

    def _pieces(self, record: TextRecord, to: str) -> tuple[Piece, ...]:
        return pieces_of(record.text, self.options.source, normal_code(to), self.options.piece_chars)

    def _to_translate(self, record: TextRecord, to: str) -> list[Piece]:
        return [piece for piece in self._pieces(record, to) if piece.translate]

    def _prompt(self, piece: str, source: str, to: str) -> Chat:
        if source != "und" and normal_code(source) == normal_code(to):  # a line in another language than its text
            source = "und"
        terms = [(term.source, term.target(to) or "") for term in terms_in(piece, self._terms, to)]
        return translation_prompt(piece, source, to, terms)

    def _translated(self, record: TextRecord, answers: Answers, name: str) -> str:
        to, _, number = name.partition("/")
        completion = self.answer(record, answers, name)
        output = put_right(self._to_translate(record, to)[int(number)].text, completion.text)
        if completion.ran_on or not output:
            raise RowError(ErrorClass.INVALID_ANSWER, f"piece {number} has no whole translation", completion.text)
        return output

    def _check(self, source: str, output: str, to: str) -> list[Check]:
        passed = normal_code(to)
        return [
            checks.kept_placeholders(source, output),
            checks.kept_urls(source, output),
            checks.kept_emails(source, output),
            checks.kept_numbers(source, output),
            checks.kept_code(source, output),
            checks.kept_emoji(source, output),
            kept_glossary(source, output, self._terms, to),
            checks.in_language(output, passed),
            _not_copied(source, output, passed),
            checks.length_ratio(source, output),
            checks.no_loop(output, source),
        ]

    def _quality(
        self, record: TextRecord, answers: Answers, names: Sequence[str], pieces: Sequence[Piece]
    ) -> float | None:
        back = [answers.get(name + _BACK) for name in names]
        texts = [answer.text.strip() for answer in back if isinstance(answer, Completion)]
        if not names or len(texts) < len(names):
            return None
        return min(100.0, float(_CHRF.sentence_score(join_text(pieces, texts), [record.text]).score))


def _not_copied(source: str, output: str, to: str) -> Check:
    """To tell a language takes milliseconds, more than all other checks: only of a copy is it asked whether it may."""
    check = checks.not_copied(source, output)
    return check if check.passed else checks.not_copied(source, output, same_language_expected=surely_in(source, to))
