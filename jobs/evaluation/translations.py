"""Translations against references, by sacrebleu: chrF, chrF++, BLEU, TER."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.evaluation.bootstrap import Bools, Floats, Resampling, correlation_of, draw_weights, mean_of
from jobs.evaluation.gold import Compared
from pipeline.errors import UsageError
from schemas.evaluation import Figure

_LANGUAGE, _ESTIMATE = "target_language", "quality_estimate"
_PLACE = re.compile(r"\{language\}")
_METRICS = {
    "chrf": "chrF, 0 … 100",
    "chrf_plus": "chrF++ (with word pairs), 0 … 100",
    "bleu": "BLEU, 0 … 100",
    "ter": "translation edit rate in %, 0 is best",
}


@dataclass(frozen=True)
class Translated:
    """Translations with references.

    Attributes:
        where: for each row of the table, whether it is one of these.
        texts, references: pairs.
        languages: the targets; BLEU's way to split words goes by them.
        estimates: quality estimates, NaN where there is none.
    """

    where: Bools
    texts: Sequence[str]
    references: Sequence[str]
    languages: Sequence[str]
    estimates: Floats

    def among(self, rows: Bools) -> "Translated":
        """Those among some rows of the table."""
        kept = rows[self.where]
        texts, references, languages = (
            [one for one, keep in zip(all_of, kept, strict=True) if keep]
            for all_of in (self.texts, self.references, self.languages)
        )
        return Translated(self.where & rows, texts, references, languages, self.estimates[kept])

    def figures(self, resampling: Resampling) -> dict[str, Figure]:
        """The corpus's figures, and how the estimate goes with each sentence's chrF."""
        if not self.texts:
            return {}
        tokenizer = self._tokenizer()
        found = {name: corpus_figure(name, self.texts, self.references, resampling, tokenizer) for name in _METRICS}
        sentences = self.sentence_chrf()
        known = np.isfinite(self.estimates)
        per_sentence = {
            "sentence_chrf": resampling.figure(mean_of(sentences), len(sentences), "mean chrF of the sentences")
        }
        if known.sum() > 2:
            statistic = correlation_of(self.estimates[known], sentences[known])
            about = "Pearson, quality_estimate and the sentence's chrF"
            per_sentence["estimate_r"] = resampling.figure(statistic, int(known.sum()), about)
        return found | {name: figure for name, figure in per_sentence.items() if figure is not None}

    def sentence_chrf(self) -> Floats:
        """Each translation's own chrF."""
        metric = _metric("chrf", self._tokenizer())
        return np.array(
            [
                metric.sentence_score(text, [reference]).score
                for text, reference in zip(self.texts, self.references, strict=True)
            ]
        )

    def signatures(self) -> dict[str, str]:
        """What sacrebleu computed exactly."""
        found = {}
        for name in _METRICS:
            metric = _metric(name, self._tokenizer())
            metric.corpus_score(self.texts[:1], [self.references[:1]])
            found[name] = str(metric.get_signature())
        return found

    def _tokenizer(self) -> str:
        """Of characters where one of the targets has no spaces between words."""
        unspaced = {"zh", "ja", "th"} & {language.split("-")[0] for language in self.languages}
        return "char" if unspaced else "13a"


def corpus_figure(
    name: str, texts: Sequence[str], references: Sequence[str], resampling: Resampling, tokenizer: str = "13a"
) -> Figure:
    """A metric of a corpus with its interval.

    The statistics of sentences add up to the corpus's, but what adds up is sacrebleu's own, so it scores resampled
    corpora; TER, which is slow at that, gets no interval.

    Args:
        name: one of `chrf`, `chrf_plus`, `bleu`, `ter`.
        tokenizer: BLEU's way to split words.
    """
    metric = _metric(name, tokenizer)
    value = metric.corpus_score(texts, [references]).score
    low = high = None
    if resampling.resamples and len(texts) > 1 and name != "ter":
        scores = _resampled(metric, texts, references, resampling)
        low, high = map(float, np.percentile(scores, (2.5, 97.5)))
    is_better = name != "ter"
    return Figure(value=value, low=low, high=high, rows=len(texts), about=_METRICS[name], higher_is_better=is_better)


def _metric(name: str, tokenizer: str) -> Any:
    from sacrebleu.metrics import BLEU, CHRF, TER

    match name:
        case "chrf":
            return CHRF()
        case "chrf_plus":
            return CHRF(word_order=2)
        case "bleu":
            return BLEU(tokenize=tokenizer)
    return TER()


def _resampled(metric: Any, texts: Sequence[str], references: Sequence[str], resampling: Resampling) -> list[float]:
    rng = np.random.default_rng(resampling.seed)
    stats = metric._extract_corpus_statistics(texts, [references])
    matrix = np.array(stats, np.float64)
    scores = []
    for _ in range(resampling.resamples):
        summed = draw_weights(rng, len(texts)) @ matrix
        scores.append(metric._compute_score_from_stats(list(summed)).score)
    return scores


def read_translated(compared: Compared) -> Translated | None:
    """The translations of a run, and their references; None if there are none of either.

    Raises:
        UsageError: if the column of references has no text.
    """
    answers = compared.answers
    if not {"translation", _LANGUAGE} <= set(compared.made) or "reference" not in compared.columns:
        return None
    column = compared.columns["reference"]
    languages = answers[_LANGUAGE].to_pylist()
    references = _references(compared.gold, column, languages)
    texts = answers["translation"].to_pylist()
    where = np.array([reference is not None for reference in references], np.bool_)
    estimated = answers[_ESTIMATE].to_pylist() if _ESTIMATE in compared.made else [None] * len(texts)
    estimates = np.array([np.nan if e is None else e for e in estimated], np.float64)
    rows = np.flatnonzero(where)
    return Translated(
        where,
        [texts[i] for i in rows],
        [str(references[i]) for i in rows],
        [languages[i] for i in rows],
        estimates[where],
    )


def _references(gold: pa.Table, column: str, languages: Sequence[str]) -> list[str | None]:
    """Each row's reference: of one column, or of its language's if the name has `{language}` in it."""
    if not _PLACE.search(column):
        return _texts(gold, column)
    found: dict[str, list[str | None]] = {}
    for language in sorted(set(languages)):
        name = _PLACE.sub(language, column)
        if name not in gold.column_names:
            raise UsageError(f"there is no column {name!r} with references")
        found[language] = _texts(gold, name)
    return [found[language][i] for i, language in enumerate(languages)]


def _texts(gold: pa.Table, name: str) -> list[str | None]:
    if name not in gold.column_names:
        raise UsageError(f"there is no column {name!r} with references")
    if not (pa.types.is_string(gold[name].type) or pa.types.is_large_string(gold[name].type)):
        raise UsageError(f"the references in {name!r} are not text, but {gold[name].type}")
    texts: list[str | None] = gold[name].to_pylist()
    return texts
