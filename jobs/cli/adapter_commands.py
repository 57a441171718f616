"""A model adapted to labels and texts of one's own: `finetune`, `uncertain`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.job_commands import BUDGET_SPENT, JsonOption
from jobs.cli.job_options import beside
from jobs.settings import parse_engine_args, parse_pairs
from jobs.terminal import own_terminal, plain_table, printable
from schemas.adapter import AdapterCard, TrainingSettings
from schemas.evaluation import Figure


def finetune(
    gold: Annotated[
        Path, typer.Argument(help="Parquet or CSV, such as `textmill uncertain` writes, with the right answers.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the adapter.")],
    task: Annotated[str, typer.Option(help="A task's name, or FILE.py:NAME.")] = "sentiment",
    model: Annotated[str, typer.Option(help="Catalogue name, model folder, or Hugging Face id.")] = "qwen2.5-0.5b",
    text: Annotated[str | None, typer.Option(help="Column with the text. [default: a good guess]")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=COLUMN", help="Column for another field that the task reads; may be repeated."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of labels. [default: gold_label …]")] = None,
    rating: Annotated[str | None, typer.Option(help="Column of mean ratings on -n … n.")] = None,
    ratings: Annotated[str | None, typer.Option(help="Column of lists of single ratings.")] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="Column of reference translations; {language} in it is the target. [default: reference …]"),
    ] = None,
    answer: Annotated[
        str | None, typer.Option(help="Column of answers in words or JSON. [default: gold_answer …]")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="An option of the task, as NAME=VALUE; may be repeated.")
    ] = None,
    prompt_form: Annotated[str | None, typer.Option(help="chat or bare. [default: the model's]")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the rows, at most.")] = 2,
    rank: Annotated[int, typer.Option(min=1, max=256, help="Of LoRA.")] = 16,
    learning_rate: Annotated[float, typer.Option(min=1e-8, max=1, help="The highest.")] = 5e-4,
    batch_rows: Annotated[int, typer.Option(min=1, help="Lessons of one step: a row has one for each question.")] = 32,
    balance: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="1: rare labels count as much as frequent ones. [default: 0.5; none of words]"),
    ] = None,
    held_out: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of rows for stopping and figures, half each.")
    ] = 0.2,
    patience: Annotated[int, typer.Option(min=1, help="Stop after so many looks without a better loss.")] = 3,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Train no longer now; the same command goes on (exit code 5).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of split, order and first weights.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Adapt a model to labels or texts of your own: trains a LoRA adapter, which jobs use with --adapter.

    The gold has what the job reads, and what its results should be: labels or ratings (sentiment, classify), references
    (translate: with target_language, or one language in --option 'to=["es"]'), gold_reply (reply), gold_title,
    gold_body … (generate), gold_FIELD for each field of the schema (extract).
    """
    from jobs.adapting.finetune import FineTuning
    from jobs.adapting.finetune import finetune as train

    settings = TrainingSettings(
        rank=rank,
        alpha=2 * rank,
        learning_rate=learning_rate,
        batch_rows=batch_rows,
        epochs=epochs,
        patience=patience,
        balance=balance,
        held_out=held_out,
        seed=seed,
    )
    columns = {"label": label, "rating": rating, "ratings": ratings, "reference": reference, "answer": answer}
    options = parse_engine_args(option or [], "--option")
    seconds = float("inf") if minutes is None else 60 * minutes
    fields = parse_pairs("--column", column or [])
    asked = FineTuning(gold, task, model, out, columns, text, options, prompt_form, settings, seconds, fields)
    with own_terminal() as terminal:
        card = train(asked, terminal)
    if card is None:
        print("the time is up; the same command goes on from here")
        raise typer.Exit(BUDGET_SPENT)
    if as_json:
        print(card.to_json())
        return
    _print_card(card)
    command = f"run --task {task}" if ".py" in task else card.task
    print(f"use it: textmill {command} INPUT... OUTPUT --adapter {out}")


def _print_card(card: AdapterCard) -> None:
    rows = [[name, _cell(card.before.get(name)), _cell(figure)] for name, figure in card.after.items()]
    print(f"{card.data.reporting.rows:,} rows that were not trained on, {printable(card.model)}")
    Console(highlight=False).print(plain_table(None, ["", "before", "after"], rows))


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    interval = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f}…{figure.high:.3f})"
    return f"{figure.value:.3f}{interval}"


def uncertain(
    output: Annotated[Path, typer.Argument(help="The output folder of a run.")],
    to: Annotated[Path | None, typer.Option(help="The CSV to write. [default: OUTPUT.to_label.csv]")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many rows.")] = 200,
) -> None:
    """Write the rows worth labelling next: uncertain ones that differ. Fill in gold_label, then `textmill finetune`."""
    from jobs.adapting.uncertain import write_uncertain

    file = to or beside(output, ".to_label.csv")
    print(f"{write_uncertain(output, file, n)} rows to label in {file}")


def add_adapter_commands(app: typer.Typer) -> None:
    """`finetune`, `uncertain`."""
    for command in (finetune, uncertain):
        app.command()(command)
