"""How good translations are with the guard rails on, against one plain prompt, on real parallel text.

The text: sentences of Django's interface (BSD licence) that have a translation in every language asked for, from its
wheel, fetched by hash and read as data. One side is `textmill translate`; the other is one message a sentence, asking
for the translation, with the same model and engine settings. The figure is corpus chrF (sacrebleu), with the share of
sentences whose placeholders came through. Prints one table; writes `benchmarks/translation_quality.json`.

    python benchmarks/translation_quality.py --model qwen2.5-0.5b --rows 120
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from corpora import parallel_sentences

_HERE = Path(__file__).resolve()
_LANGUAGES = {"es": "Spanish", "fr": "French", "de": "German"}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|</?\w+[^<>]*>")
"""Not the code that Textmill checks with."""


def main() -> None:
    """Translate both ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen2.5-0.5b")
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plain:
        _write_plain(args.plain, args.model)
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        pairs = parallel_sentences(list(_LANGUAGES), args.rows)
        (folder / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
        subprocess.run([sys.executable, str(_HERE), "--plain", str(folder), "--model", args.model], check=True)
        plain = json.loads((folder / "plain.json").read_text(encoding="utf-8"))
        _report(args, pairs, {"plain": plain, "textmill": _textmill(folder, pairs, args.model)})


def _write_plain(folder: Path, model: str) -> None:
    from pipeline.decoding import FreeText
    from pipeline.elements import Completion, Request
    from pipeline.engines.base import EngineNeeds
    from pipeline.engines.vllm_engine import VllmSpec
    from pipeline.models import resolve_model
    from pipeline.prompts import Chat, Message, Text
    from pipeline.rendering import PromptRenderer
    from pipeline.tokens import load_chat_template

    weights = resolve_model(model, None, print).folder
    if weights is None:
        raise SystemExit(f"{model} has no weights")
    pairs = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    renderer, engine = (
        PromptRenderer(load_chat_template(weights)),
        VllmSpec(EngineNeeds("-", 2048, str(weights))).open(),
    )
    outputs: dict[str, list[str]] = {language: [""] * len(pairs) for language in _LANGUAGES}
    keys: dict[bytes, tuple[str, int]] = {}
    for language, name in _LANGUAGES.items():
        ask = f"Translate from English to {name}. Answer with the translation only.\n\n"
        for i, pair in enumerate(pairs):
            chat = Chat((Message("user", (ask, Text(pair["en"]))),))
            keys[key := len(keys).to_bytes(16, "big")] = (language, i)
            engine.submit(Request(key, renderer.render(chat), FreeText(160)))
    while engine.in_flight:
        for key, answer in engine.collect():
            language, i = keys[key]
            outputs[language][i] = answer.text.strip() if isinstance(answer, Completion) else ""
    engine.close()
    (folder / "plain.json").write_text(json.dumps(outputs), encoding="utf-8")


def _textmill(folder: Path, pairs: list[dict[str, str]], model: str) -> dict[str, list[str]]:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": list(range(len(pairs))), "text": [p["en"] for p in pairs]}), folder / "in.parquet")
    flags = [f"--to={language}" for language in _LANGUAGES]
    command = [sys.executable, "-m", "jobs.cli", "translate", str(folder / "in.parquet"), str(folder / "out"), *flags]
    subprocess.run([*command, "--from=en", "--model", model, "--store", str(folder / "store")], check=True)
    rows = ds.dataset(folder / "out/results").to_table().to_pylist()
    return {
        language: [row["translation"] or "" for row in rows if row["target_language"] == language]
        for language in _LANGUAGES
    }


def _report(args: argparse.Namespace, pairs: list[dict[str, str]], sides: dict[str, dict[str, list[str]]]) -> None:
    from sacrebleu.metrics import CHRF

    table = {}
    print(f"{len(pairs)} sentences of Django's interface, {args.model}, corpus chrF; share with all placeholders")
    for side, outputs in sides.items():
        for language, texts in outputs.items():
            score = CHRF().corpus_score(texts, [[pair[language] for pair in pairs]]).score
            kept = [
                sorted(_PLACEHOLDER.findall(pair["en"])) == sorted(_PLACEHOLDER.findall(text))
                for pair, text in zip(pairs, texts, strict=True)
                if _PLACEHOLDER.search(pair["en"])
            ]
            table[f"{side} {language}"] = {"chrf": round(score, 2), "placeholders": round(sum(kept) / len(kept), 4)}
            print(f"{side:10}{language:4}{score:8.1f}{sum(kept) / len(kept):10.1%}")
    content = {"model": args.model, "rows": len(pairs), "sides": table}
    _HERE.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
