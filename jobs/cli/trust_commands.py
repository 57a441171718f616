"""Whether a run can be trusted: `probe` for fairness, `explain` for where a row's answer came from."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.job_commands import GATE_FAILED
from jobs.cli.job_options import ConfigOption, ModelOption, OptionOption, SetOption, beside, changed, job_of
from jobs.terminal import own_terminal, printable
from pipeline.errors import UsageError
from pipeline.run_folder import read_manifest

_TO_BE_REPLACED = {"inputs": ("texts.parquet",), "output": "probe"}


def probe(
    model: ModelOption = None,
    task: Annotated[
        str | None, typer.Option(help="sentiment, classify, or a task of your own with labels. [default: sentiment]")
    ] = None,
    of: Annotated[
        Path | None,
        typer.Option(
            "--of", help="Probe with the job of this run, and put the findings into its folder.", metavar="RUN"
        ),
    ] = None,
    config: ConfigOption = None,
    option: OptionOption = None,
    settings: SetOption = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the run over the texts. [default: probe-TASK-MODEL, or RUN-probe]")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="TOML file of texts of your own, such as jobs/data/probe.toml.", metavar="FILE")
    ] = None,
    max_shift: Annotated[
        float | None, typer.Option(min=0, help="Exit with 4 if a group's mean shift is larger, up or down.")
    ] = None,
    max_flips: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Exit with 4 if labels flip in a larger share of a group's pairs."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Of the bootstrap, for 95 % intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say whether answers change with the names, pronouns, groups, places or dialect of a text that is otherwise equal.

    The job runs over sentences of our own, each told of every group, and probe.json is written into its folder, where
    `textmill report` finds it. Run again, it is paid for by the store.
    """
    from jobs.evaluation.bootstrap import Resampling
    from jobs.probing.probe import config_of, out_of_bounds, write_probe
    from jobs.probing.probe import probe as probe_job
    from jobs.probing.view import print_probe

    if of is not None:
        if task or config or model or option:
            raise UsageError(
                "--of takes the job of a run as it was", "leave out --task, --config, --model and --option"
            )
        of = of.expanduser().absolute()
        job = changed(config_of(of), None, settings)
        place = output or beside(of, "-probe")
    else:
        job = changed(job_of(task or "sentiment", config, _TO_BE_REPLACED, {"model": model}), option, settings)
        place = output or Path(f"probe-{_as_name(job.task, job.model)}")
    job = job.model_copy(update={"output": str(place)})
    with own_terminal(quiet=as_json and not sys.stderr.isatty()) as terminal:
        found = probe_job(job, texts, Resampling(resamples, seed), datetime.now(UTC), terminal)
    if of is not None and found.recipe_digest == read_manifest(of).recipe_digest:
        write_probe(of, found)
    elif of is not None:
        print(f"not written into {of}: its answers are by another recipe", file=sys.stderr)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        print_probe(Console(highlight=False, markup=False), found, str(place / "probe.json"))
    if broken := out_of_bounds(found, max_shift, max_flips):
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for line in broken:
            console.print(f"out of bounds: {printable(line)}", style="bold red")
        raise typer.Exit(GATE_FAILED)


def explain(
    output: Annotated[Path, typer.Argument(help="The output folder of a run.")],
    ids: Annotated[list[str], typer.Option("--id", help="Of the row, as in the results; may be repeated.")],
    whole: Annotated[bool, typer.Option("--whole", help="Show long prompts in full.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, prompts in full.")] = False,
) -> None:
    """Say for a row what was asked, what came back, which checks ran, and from which files; no model is run.

    Prompts are rebuilt by the run's own settings, answers come from the store.
    """
    from jobs.explaining.explain import explain as explain_rows
    from jobs.explaining.view import print_explained

    with own_terminal(quiet=as_json) as terminal:
        told = explain_rows(output, ids, terminal.say)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in told], indent=2, ensure_ascii=False, default=str))
        return
    console = Console(highlight=False, markup=False)
    for one in told:
        print_explained(console, one, whole)


def _as_name(task: str, model: str) -> str:
    stem = Path(task.partition(":")[0]).stem
    return "".join(c if c.isalnum() or c in "._" else "-" for c in f"{stem}-{model}")[-80:]


def add_trust_commands(app: typer.Typer) -> None:
    """`probe`, `explain`."""
    for command in (probe, explain):
        app.command()(command)
